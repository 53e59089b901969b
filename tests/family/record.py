"""Record the groups of real constructors of the sibling packages, if these are installed (see CONTRIBUTING.md).

``python -m tests.family.record [PACKAGE ...]`` writes ``maps/<name>.json``: group maps of configs from the packages'
own zoos, some with other options. Each map equals the build of plain mmengine for the same config. mmyolo 0.6.0 needs
mmcv-lite 2.0.1 and mmdet 3.1.0, and rejects newer ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import torch.distributed as dist
from mmengine.utils import import_modules_from_strings
from torch.testing._internal.distributed.fake_pg import FakeStore

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.openmmlab.audit import audit
from tests.openmmlab.plain import plain_config, plain_groups, plain_model

FOLDER = Path(__file__).parent / "maps"
PARAMWISE = "optim_wrapper.paramwise_cfg"
CONVNEXT = "mmseg::convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512.py"
VITPOSE = "mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_ViTPose-small-simple_8xb64-210e_coco-256x192.py"
RTMO = "mmpose::body_2d_keypoint/rtmo/coco/rtmo-s_8xb32-600e_coco-640x640.py"
MVIT = "mmaction::recognition/mvit/mvit-small-p244_k400-maskfeat-pre_8xb32-16x4x1-100e_kinetics400-rgb.py"
SWIN = "mmaction::recognition/swin/swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb.py"
YOLOV5 = "mmyolo::yolov5/yolov5_n-v61_syncbn_fast_8xb16-300e_coco.py"
YOLOV7 = "mmyolo::yolov7/yolov7_tiny_syncbn_fast_8x16b-300e_coco.py"
TSM = "mmaction::recognition/tsm/tsm_imagenet-pretrained-mobilenetv2_8xb16-1x1x8-100e_kinetics400-rgb.py"
SELFSUP_BEIT = "mmselfsup::selfsup/beit/classification/vit-base-p16_ft-8xb128-coslr-100e_in1k.py"
SELFSUP_KEYS = f"{PARAMWISE}.custom_keys"
PGGAN = "mmagic::pggan/pggan_8xb4-12Mimgs_celeba-cropped-128x128.py"
DCGAN = "mmagic::dcgan/dcgan_1xb128-5epoches_lsun-bedroom-64x64.py"
REALESRNET = "mmagic::real_esrgan/realesrnet_c64b23g32_4xb12-lr2e-4-1000k_df2k-ost.py"
# Relative to the root of the repository, so that the map does not depend on its location.
SEARCH = "tests/family/search_config.py"
GENERATOR = "optim_wrapper.generator"

CONFIGS: dict[str, tuple[str, ...]] = {
    "mmseg_convnext_stages": (CONVNEXT,),
    "mmseg_convnext_layers": (CONVNEXT, f"{PARAMWISE}.decay_type=layer_wise", f"{PARAMWISE}.num_layers=4"),
    "mmseg_mae": ("mmseg::mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512.py", f"{PARAMWISE}.num_layers=9"),
    "mmseg_beit": ("mmseg::beit/beit-base_upernet_8xb2-160k_ade20k-640x640.py",),
    "mmpose_vitpose": (VITPOSE,),
    "mmpose_vitpose_deep": (VITPOSE, f"{PARAMWISE}.num_layers=14", f"{PARAMWISE}.layer_decay_rate=0.65"),
    "mmpose_rtmo": (RTMO,),
    "mmpose_rtmo_unforced": (RTMO, f"{PARAMWISE}.force_default_settings=False"),
    "mmaction_mvit": (MVIT,),
    "mmaction_videomae": (
        "mmaction::detection/videomae/vit-base-p16_videomae-k400-pre_8xb8-16x4x1-20e-adamw_ava-kinetics-rgb.py",
        f"{PARAMWISE}.decay_rate=0.9",
    ),
    "mmaction_tsm": (TSM, "auto_scale_lr.enable=False", "model.backbone.frozen_stages=1"),
    "mmaction_tsm_unraised": (TSM, "auto_scale_lr.enable=False", f"{PARAMWISE}.fc_lr5=False"),
    "mmaction_trn": (
        "mmaction::recognition/trn/trn_imagenet-pretrained-r50_8xb16-1x1x8-50e_sthv2-rgb.py",
        "auto_scale_lr.enable=False",
    ),
    "mmselfsup_beit": (SELFSUP_BEIT,),
    "mmselfsup_keys": (
        SELFSUP_BEIT,
        f"{SELFSUP_KEYS}.attn.decay_mult=0.5",
        f"{SELFSUP_KEYS}.ffn.decay_mult=0.2",
    ),
    "mmselfsup_swin": (
        "mmselfsup::benchmarks/classification/imagenet/swin-base_ft-8xb256-coslr-100e_in1k-192.py",
        "model.backbone.arch=tiny",
    ),
    "mmselfsup_mixmim": ("mmselfsup::selfsup/mixmim/classification/mixmim-base-p16_ft-8xb128-coslr-100e-in1k.py",),
    "mmyolo_yolov5": (YOLOV5,),
    "mmyolo_yolov5_8gpus": (YOLOV5,),
    "mmyolo_yolov5_adamw": (
        YOLOV5,
        "optim_wrapper.optimizer._delete_=True",
        "optim_wrapper.optimizer.type=AdamW",
        "optim_wrapper.optimizer.lr=0.001",
    ),
    "mmyolo_yolov5_keys": (
        YOLOV5,
        f"{PARAMWISE}.base_total_batch_size=64",
        f"{PARAMWISE}.custom_keys.backbone.lr_mult=0.1",
        "model.neck.norm_cfg._delete_=True",
        "model.neck.norm_cfg.type=GN",
        "model.neck.norm_cfg.num_groups=2",
        "optim_wrapper.optimizer._delete_=True",
        "optim_wrapper.optimizer.type=AdamW",
        "optim_wrapper.optimizer.lr=0.001",
        "optim_wrapper.optimizer.weight_decay=0.05",
    ),
    "mmyolo_yolov6": (
        "mmyolo::yolov6/yolov6_m_syncbn_fast_8xb32-300e_coco.py",
        f"{PARAMWISE}.base_total_batch_size=48",
    ),
    "mmyolo_yolov7": (YOLOV7, f"{PARAMWISE}.base_total_batch_size=48"),
    "mmyolo_yolov7_3gpus": (YOLOV7, "optim_wrapper.optimizer.batch_size_per_gpu=12"),
    "mmagic_pggan": (PGGAN,),
    "mmagic_pggan_kept": (
        PGGAN,
        "model.nkimgs_per_scale._delete_=True",
        "model.nkimgs_per_scale.64=600",
        "model.nkimgs_per_scale.128=1200",
        "optim_wrapper.reset_optim_for_new_scale=False",
        f"{GENERATOR}.optimizer.weight_decay=0.01",
        f"{GENERATOR}.paramwise_cfg.bias_decay_mult=0.0",
        f"{GENERATOR}.paramwise_cfg.custom_keys.torgb_layers.lr_mult=0.5",
    ),
    "mmagic_singan": ("mmagic::singan/singan_fish.py",),
    "mmagic_dcgan": (DCGAN,),
    "mmagic_dcgan_options": (
        DCGAN,
        f"{GENERATOR}.optimizer.weight_decay=0.01",
        f"{GENERATOR}.paramwise_cfg.norm_decay_mult=0.0",
        f"{GENERATOR}.paramwise_cfg.custom_keys.noise2feat.lr_mult=0.1",
        f"{GENERATOR}.modules=generator",
        "optim_wrapper.discriminator.modules=['discriminator[.]downsamples[.][13]','discriminator.output_layer']",
    ),
    "mmagic_dcgan_modules": (
        DCGAN,
        "optim_wrapper._delete_=True",
        "optim_wrapper.constructor=MultiOptimWrapperConstructor",
        "optim_wrapper.modules=['discriminator','generator[.]upsampling']",
        "optim_wrapper.optimizer.type=AdamW",
        "optim_wrapper.optimizer.lr=0.0002",
    ),
    "mmagic_realesrnet": (REALESRNET, "model.generator.num_blocks=1"),
    "mmagic_realesrnet_unaveraged": (REALESRNET, "model.generator.num_blocks=1", "custom_hooks=[]"),
    "mmrazor_search": (SEARCH,),
    "mmengine_yolov5": (
        YOLOV5,
        "optim_wrapper.constructor=DefaultOptimWrapperConstructor",
        f"{PARAMWISE}.norm_decay_mult=0.0",
        "optim_wrapper.optimizer._delete_=True",
        "optim_wrapper.optimizer.type=AdamW",
        "optim_wrapper.optimizer.lr=0.001",
        "optim_wrapper.optimizer.weight_decay=0.05",
    ),
    "mmaction_swin": (SWIN, f"{PARAMWISE}.patch_embed.lr_mult=0.5", f"{PARAMWISE}.patch_embed.decay_mult=0.3"),
}
GPUS = {"mmyolo_yolov5_8gpus": 8, "mmyolo_yolov7_3gpus": 3}


def record(config: str, overrides: tuple[str, ...], gpus: int | None = None) -> GroupMap:
    """Return the map of a config, without lrdecay's own additions. Raises AssertionError if plain mmengine differs."""
    group_map = audit(config, cfg_options=overrides, launch=Launch(gpus=gpus))
    plain = plain_config(str(find_config(config)))
    plain.merge_from_dict(dict(group_map.config.overrides))
    import_modules_from_strings(**plain.get("custom_imports", {"imports": []}))
    model = plain_model(plain)
    if gpus:
        dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=gpus)
    try:
        groups = plain_groups(plain, model)
    finally:
        if gpus:
            dist.destroy_process_group()
    assert [(group["lr"], group["weight_decay"], group["names"]) for group in groups] == [
        (group.lr, group.weight_decay, [parameter.name for parameter in group.parameters]) for group in group_map.groups
    ]
    return msgspec.structs.replace(group_map, groups=tuple(map(_without_provenance, group_map.groups)))


def _without_provenance(group: ParameterGroup) -> ParameterGroup:
    parameters = (msgspec.structs.replace(parameter, provenance=None) for parameter in group.parameters)
    return msgspec.structs.replace(group, parameters=tuple(parameters))


if __name__ == "__main__":
    packages = tuple(sys.argv[1:]) or ("",)
    for name, (config, *overrides) in CONFIGS.items():
        if not name.startswith(packages):
            continue
        recorded = record(config, tuple(overrides), GPUS.get(name))
        (FOLDER / f"{name}.json").write_bytes(msgspec.json.encode(recorded) + b"\n")
        sys.stdout.write(f"{name}: {len(recorded.groups)} groups\n")
