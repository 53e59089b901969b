"""Decay constructors of sibling packages and published projects, with many options, on models of a few named tensors.

``python -m tests.family.mutations [KEY ...]`` runs the real constructors that are installed, and writes
``mutations.json``: the groups that each builds, or its exception. Published projects are single files: ``<key>.py`` in
the folder ``LRDECAY_PUBLISHED`` is the authors' file, with imports from mmcv 1 replaced by imports from mmengine.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.logging import MMLogger

from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
from tests.family.named_tensors import DEPTHS, layer_shapes, model_of

RECORDED = Path(__file__).with_name("mutations.json")
Shapes = Mapping[str, tuple[int, ...]]
LR, WEIGHT_DECAY = 3e-4, 0.05


class Subject(NamedTuple):
    """A constructor, and its test models and options."""

    source: str
    """``module:class``; the module of a published project is the key."""
    spec: str
    """Short name of the constructor in lrdecay: the spec's ``short``."""
    models: tuple[str, ...]
    """Keys of :data:`MODELS`."""
    options: Mapping[str, Any]
    mutations: tuple[Mapping[str, Any], ...]
    """Changes of the options; None removes an option."""
    optimizer: Mapping[str, Any] = {}


def _block(path: str) -> Shapes:
    kernels = {"attn.qkv": (6, 2), "attn.proj": (2, 2), "mlp.fc1": (4, 2)}
    own: dict[str, tuple[int, ...]] = {"norm1.weight": (2,), "norm1.bias": (2,), "gamma_1": (2,)}
    own |= {"attn.rel_pos_h": (3, 2), "attn.relative_position_bias_table": (9, 1)}
    own |= {f"{name}.weight": shape for name, shape in kernels.items()}
    own |= {f"{name}.bias": shape[:1] for name, shape in kernels.items()}
    return {f"{path}.{name}": shape for name, shape in own.items()}


_HEAD: Shapes = {"neck.norm.weight": (2,), "neck.conv.weight": (2, 2, 1, 1), "neck.conv.bias": (2,)}
_QUERIES: Shapes = {
    f"decode_head.{name}.weight": (4, 2) for name in ("query_embed", "query_feat", "level_embed", "cls_embed")
}
_DEFORMABLE: Shapes = {
    f"{place}.{name}.{own}": (2, 2) if own == "weight" else (2,)
    for place in ("bbox_head.encoder.0.attn", "backbone.interactions.0.attn")
    for name in ("sampling_offsets", "value_proj")
    for own in ("weight", "bias")
} | {"bbox_head.reference_points.weight": (2, 2), "bbox_head.level_embeds": (4, 2)}


def _transformer(row: str) -> Shapes:
    tokens = {f"backbone.{name}": (1, 1, 2) for name in ("cls_token", "mask_token", "pos_embed", "visual_embed")}
    blocks = _block(f"backbone.{row}.0") | _block(f"backbone.{row}.2")
    ends = {
        "backbone.patch_embed.proj.weight": (2, 3, 1, 1),
        "backbone.patch_embed.proj.bias": (2,),
        "backbone.norm.weight": (2,),
        "backbone.spm.stem.0.weight": (2, 3, 1, 1),
        "backbone.level_embed": (3, 2),
    }
    return {**tokens, **ends, **blocks, **_DEFORMABLE, **_QUERIES, **_HEAD}


def _stages(blocks: str, *depths: int) -> Shapes:
    """Return the last block of each stage."""
    found: dict[str, tuple[int, ...]] = {}
    for stage, depth in enumerate(depths):
        found |= _block(blocks.format(stage=stage, block=depth - 1))
    return found


_CONVNEXT: Shapes = {
    **{f"backbone.downsample_layers.{stage}.{part}.weight": (2, 2, 1, 1) for stage in range(4) for part in (0, 1)},
    **_stages("backbone.stages.{stage}.{block}", 3, 3, 9, 3),
    **{f"backbone.stages.{stage}.0.dwconv.weight": (2, 1, 3, 3) for stage in range(4)},
    "backbone.stages.1.0.dwconv.bias": (2,),
    "backbone.norm3.weight": (2,),
    "pos_embed": (1, 2),
    **_HEAD,
}
_INTERN: Shapes = {
    "backbone.patch_embed.conv1.weight": (2, 3, 1, 1),
    "backbone.patch_embed.norm1.1.weight": (2,),
    **_stages("backbone.levels.{stage}.blocks.{block}", 2, 2, 4, 2),
    **{f"backbone.levels.{stage}.blocks.1.dcn.offset.weight": (2, 2) for stage in range(4)},
    **{f"backbone.levels.{stage}.{part}.weight": (2, 2) for stage in range(4) for part in ("norm.0", "post_norms.1.0")},
    **{f"backbone.levels.{stage}.downsample.conv.weight": (2, 2, 1, 1) for stage in range(3)},
    **_DEFORMABLE,
    **_QUERIES,
    **_HEAD,
}
_SWIN: Shapes = {
    "backbone.patch_embed.proj.weight": (2, 3, 1, 1),
    "backbone.mask_token": (1, 1, 2),
    **_stages("backbone.stages.{stage}.blocks.{block}", *DEPTHS),
    **{f"backbone.stages.{stage}.downsample.reduction.weight": (2, 2) for stage in range(3)},
    "backbone.norm3.weight": (2,),
    **_HEAD,
}
_LAYERS: Shapes = layer_shapes(
    *(f"backbone.{stage}.{layer}" for stage in ("stem", "stages.0", "stages.1") for layer in ("conv2d", "bn2d")),
    *("backbone.stages.1.gn", "neck.attn.linear", "neck.attn.ln", "neck.norm.bn2d", "head.conv2d", "head.linear"),
)
MODELS: dict[str, tuple[str, Shapes]] = {
    "ViT": ("ViT", _transformer("blocks")),
    "EVA2": ("EVA2", _transformer("blocks")),
    "BEiT": ("BEiT", _transformer("layers")),
    "MAE": ("MAE", _transformer("layers")),
    "ViTAdapter": ("ViTAdapter", _transformer("blocks")),
    "BEiTAdapter": ("BEiTAdapter", _transformer("layers")),
    "mmpretrain ViT": ("VisionTransformer", _transformer("layers")),
    "MViT": ("MViT", _transformer("blocks")),
    "ConvNeXt": ("ConvNeXt", _CONVNEXT),
    "UniRepLKNet": ("UniRepLKNetBackbone", _CONVNEXT),
    "InternImage": ("InternImage", _INTERN),
    "SwinTransformer": ("SwinTransformer", _SWIN),
    "layers": ("CSPNet", _LAYERS),
    "layers without LayerNorm": ("CSPNet", {name: shape for name, shape in _LAYERS.items() if ".ln." not in name}),
}

_DEPTH = ({"num_layers": 2}, {"num_layers": 24}, {"num_layers": 0}, {"num_layers": None})
_KEYS = {"custom_keys": {"backbone": {"lr_mult": 0.1}}, "norm_decay_mult": 0.0}
_RATES = ({"decay_rate": 1}, {"decay_rate": 1.3}, {"decay_rate": 0.0}, {"decay_rate": None})
_LAYER_RATES = tuple({"layer_decay_rate": rates["decay_rate"]} for rates in _RATES)
_BY_STAGE = ({"decay_type": "stage_wise"}, {"decay_type": "stage_wise", "num_layers": 4})
_NEW: dict[str, Any] = {"decay_rate": 0.7, "decay_type": "layer_wise", "num_layers": 12}
_OLD: dict[str, Any] = {"layer_decay_rate": 0.65, "num_layers": 12}
_BASE = (*_DEPTH, _KEYS)
_INTERN_OPTIONS = {"layer_decay_rate": 0.94, "num_layers": 10, "depths": [2, 2, 4, 2], "offset_lr_scale": 0.01}
_INTERN_MUTATIONS = (
    *(*_BASE, *_LAYER_RATES, {"depths": [5, 5, 22, 5]}, {"depths": None}, {"offset_lr_scale": None}),
    *({"backbone_small_lr": True}, {"dino_head": True}, {"dino_head": True, "backbone_small_lr": True}),
)
_FORCED_KEYS = {"backbone": {"lr_mult": 0.1, "decay_mult": 3}, "neck.attn": {"lr_mult": 0.5}}
_SELFSUP = ({"custom_keys": {"norm": {"decay_mult": 0.0}, "attn": {"decay_mult": 0.5}}}, {"custom_keys": {"bias": {}}})

SUBJECTS: dict[str, Subject] = {
    "mmdet": Subject(
        "mmdet.engine.optimizers:LearningRateDecayOptimizerConstructor",
        *("mmdet layer decay", ("ConvNeXt",), {**_NEW, "num_layers": 6}, (*_BASE, *_RATES, *_BY_STAGE)),
    ),
    "mmseg": Subject(
        "mmseg.engine:LearningRateDecayOptimizerConstructor",
        *("mmseg layer decay", ("ConvNeXt", "BEiT", "MAE"), _NEW, (*_BASE, *_RATES, *_BY_STAGE)),
    ),
    "mmseg_old": Subject(
        "mmseg.engine:LayerDecayOptimizerConstructor",
        *("mmseg layer decay", ("BEiT", "ConvNeXt"), _OLD, (*_BASE, *_LAYER_RATES)),
    ),
    "mmpose": Subject(
        "mmpose.engine.optim_wrappers:LayerDecayOptimWrapperConstructor",
        *("mmpose layer decay", ("mmpretrain ViT", "ViT"), _OLD, (*_BASE, *_LAYER_RATES)),
    ),
    "mmaction": Subject(
        "mmaction.engine:LearningRateDecayOptimizerConstructor",
        *("mmaction layer decay", ("MViT", "mmpretrain ViT"), _NEW, (*_BASE, *_RATES)),
    ),
    **{
        f"mmselfsup_{kind}": Subject(
            "mmselfsup.engine.optimizers:LearningRateDecayOptimWrapperConstructor",
            *("mmselfsup layer decay", (model,), {}, _SELFSUP, {"model_type": kind, "layer_decay_rate": 0.75}),
        )
        for kind, model in (("vit", "mmpretrain ViT"), ("swin", "SwinTransformer"))
    },
    "vitdet": Subject(
        ":LayerDecayOptimizerConstructor", "ViTDet layer decay", ("ViT",), _NEW, (*_BASE, *_RATES, *_BY_STAGE)
    ),
    **{
        key: Subject(":LayerDecayOptimizerConstructor", spec, models, _OLD, (*_BASE, *_LAYER_RATES))
        for key, spec, models in (
            ("vit_adapter_detection", "ViT-Adapter layer decay", ("ViTAdapter", "BEiTAdapter")),
            ("vit_adapter_segmentation", "ViT-Adapter layer decay for segmentation", ("ViTAdapter", "BEiTAdapter")),
            ("eva_01", "EVA-01 layer decay", ("ViT",)),
            ("eva_02", "EVA-02 layer decay", ("EVA2",)),
        )
    },
    **{
        key: Subject(
            ":CustomLayerDecayOptimizerConstructor", spec, ("InternImage",), _INTERN_OPTIONS, _INTERN_MUTATIONS
        )
        for key, spec in (
            ("internimage_detection", "InternImage layer decay"),
            ("internimage_segmentation", "InternImage layer decay for segmentation"),
        )
    },
    "unireplknet": Subject(
        ":UniRepLKNetLearningRateDecayOptimizerConstructor",
        "UniRepLKNet layer decay",
        *(("UniRepLKNet",), {**_NEW, "num_layers": 6}),
        (*_BASE, *_RATES, *_BY_STAGE, {"dw_scale": 0.1}, {"dw_scale": 2, "decay_type": "stage_wise"}),
    ),
    **{
        f"mmyolo_{name[:6].lower()}": Subject(
            f"mmyolo.engine.optimizers:{name}",
            f"mmyolo {name[:6]}",
            ("layers",),
            {"base_total_batch_size": 64},
            ({"base_total_batch_size": 48}, {"base_total_batch_size": None}, {"base_total_batch_size": 8, **_KEYS}),
            {"type": "SGD", "momentum": 0.9, "batch_size_per_gpu": 16},
        )
        for name in ("YOLOv5OptimizerConstructor", "YOLOv7OptimWrapperConstructor")
    },
    "mmaction_swin": Subject(
        "mmaction.engine.optimizers:SwinOptimWrapperConstructor",
        *("mmaction Swin", ("layers", "SwinTransformer")),
        {"backbone": {"lr_mult": 0.1}},
        (
            {"backbone": None},
            {"norm": {"decay_mult": 0.0}, "bias": {"decay_mult": 0.3, "lr_mult": 2}},
            {"base.backbone.s": {"lr_mult": 0.3}, "stages": {"lr_mult": 0.7}, "1": {"decay_mult": 3}},
        ),
    ),
    "mmaction_tsm": Subject(
        "mmaction.engine.optimizers:TSMOptimWrapperConstructor",
        *("mmaction TSM", ("layers without LayerNorm",), {"fc_lr5": True}, ({"fc_lr5": False}, {"fc_lr5": None})),
    ),
    "mmengine": Subject(
        "mmengine.optim:DefaultOptimWrapperConstructor",
        *("default", ("layers",), {"norm_decay_mult": 0, "bias_decay_mult": 0.5, "custom_keys": _FORCED_KEYS}),
        ({"bias_lr_mult": 2.0}, {"custom_keys": None, "flat_decay_mult": 0.5}, {"norm_decay_mult": None}),
    ),
    **{
        f"{package}_forced": Subject(
            f"{package}.engine.{module}:ForceDefaultOptimWrapperConstructor",
            "forced default",
            ("layers",),
            {"norm_decay_mult": 0, "bias_decay_mult": 0, "force_default_settings": True, "custom_keys": _FORCED_KEYS},
            (
                {"force_default_settings": False},
                {"bias_lr_mult": 2.0, "norm_decay_mult": None},
                {"custom_keys": None, "flat_decay_mult": 0.5},
                {"custom_keys": {"stages": {"lr_mult": 0.3}, "stages.1.bn2d": {"decay_mult": 2}}},
            ),
        )
        for package, module in (("mmpose", "optim_wrappers"), ("mmseg", "optimizers"))
    },
}
"""Subjects by key, which is also the module name of a published project."""


def options_of(subject: Subject) -> Iterator[dict[str, Any]]:
    """Return the options, and each mutation of them."""
    for mutation in ({}, *subject.mutations):
        yield {key: value for key, value in {**subject.options, **mutation}.items() if value is not None}


def load(key: str) -> type | None:
    """Return the real constructor; None if it or one of its dependencies is not installed."""
    module, _, name = SUBJECTS[key].source.partition(":")
    published = os.environ.get("LRDECAY_PUBLISHED")
    if not module and published and published not in sys.path:
        sys.path.insert(0, published)
    try:
        found: type = getattr(importlib.import_module(module or key), name)
    except (ImportError, AssertionError):  # mmyolo asserts the version of mmcv
        return None
    return found


def run(
    constructor: type, backbone: str, shapes: Shapes, options: Mapping[str, Any], optimizer: Mapping[str, Any]
) -> Any:
    """Return the groups of the real optimizer: name, lr, lr scale, weight decay, and parameter indices in ``shapes``.

    If the constructor raises, return the name of the exception instead.
    """
    model = model_of(backbone, shapes)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    settings = {"type": "AdamW", "lr": LR, "weight_decay": WEIGHT_DECAY, **optimizer}
    MMLogger.get_current_instance().setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(StringIO()):
            wrapper = constructor({"type": "OptimWrapper", "optimizer": settings}, json.loads(json.dumps(options)))(
                model
            )
    except Exception as error:
        return type(error).__name__
    places = {name: place for place, name in enumerate(shapes)}
    return [
        [
            group.get("group_name", ""),
            *(group["lr"], group.get("lr_scale"), group["weight_decay"]),
            [places[names[id(parameter)]] for parameter in group["params"]],
        ]
        for group in wrapper.optimizer.param_groups
    ]


def record(key: str) -> list[dict[str, Any]] | None:
    """Return the result of the constructor for every model and mutation; None if it is not installed."""
    subject, constructor = SUBJECTS[key], load(key)
    if constructor is None:
        return None
    return [
        {"model": model, "options": options, "made": run(constructor, *MODELS[model], options, subject.optimizer)}
        for model in subject.models
        for options in options_of(subject)
    ]


if __name__ == "__main__":
    install_stubs()
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    for subject_key in sys.argv[1:] or SUBJECTS:
        if (rows := record(subject_key)) is None:
            sys.stdout.write(f"{subject_key}: not installed\n")
            continue
        recorded[subject_key] = rows
        sys.stdout.write(
            f"{subject_key}: {len(rows)} rows, {sum(isinstance(row['made'], str) for row in rows)} refused\n"
        )
    ordered = {key: recorded[key] for key in SUBJECTS if key in recorded}
    lines = ",\n".join(f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n ]"
                       for key, rows in ordered.items())  # fmt: skip
    RECORDED.write_text(f"{{\n{lines}\n}}\n")
