"""Build the group map of the optimizer in a checkpoint."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from lrdecay_cli import __version__
from lrdecay_cli.constructors import DEFAULT
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import (
    SCHEMA_VERSION,
    ConfigSource,
    Duplicate,
    GroupedParameter,
    GroupMap,
    ParameterGroup,
    Tool,
)
from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.domain.training import (
    UNKNOWN,
    Batch,
    Checkpoint,
    Constructor,
    Model,
    Optimizer,
    Totals,
    Training,
    takes_turn,
)
from lrdecay_cli.files.config_text import settings_of
from lrdecay_cli.files.work_dir import dumped_config
from lrdecay_cli.openmmlab.checkpoints.saved_groups import (
    SavedGroup,
    Shape,
    base_of,
    counterparts,
    load_checkpoint,
    misfit,
    saved_groups,
    saved_shapes,
)
from lrdecay_cli.openmmlab.checkpoints.scaling import saved_batch
from lrdecay_cli.openmmlab.reading import common, read_group, uniquely_named
from lrdecay_cli.optimizers import effects_of


def checkpoint_map(path: str, config: GroupMap | None = None) -> GroupMap:
    """Return the group map of a checkpoint: the groups with which a resumed run continues.

    In the map, ``lr`` is the saved lr, which includes the schedule. ``lr_scale`` is the scale that the constructor
    saved, or else ``initial_lr`` / base lr, without the factor of ``auto_scale_lr``. The names of model, constructor
    and optimizer come from the config text in the checkpoint. lrdecay does not execute this text.

    Args:
        path: the checkpoint.
        config: group map of the training's config. If the checkpoint has no parameter names, the config names
            parameters by position. The config also shows which tensors are frozen parameters and which are buffers.

    Raises:
        LrdecayError: the checkpoint cannot be read, contains no optimizer, or the names of parameters are unknown.
    """
    loaded, pickled = load_checkpoint(path)
    saved = saved_groups(loaded, path)
    shapes = saved_shapes(loaded)
    meta = _dict(loaded.get("meta"))
    # Settings of the training, from the config text in the checkpoint; empty if the text is missing or unreadable.
    settings = settings_of(meta.get("cfg"))
    wrapper = _dict(settings.get("optim_wrapper"))
    wrong = misfit(saved, shapes, config) if config else None
    recorded = all(group.names is not None for group in saved)
    if not recorded and config is None:
        size = sum(len(group.shapes) for group in saved)
        problem = f"the checkpoint contains no parameter names: its {size} parameters have only positions"
        fix = f"give the training's config, which has the names: --config {_config_beside(path)}"
        raise LrdecayError(problem, where=path, fix=fix)
    if not recorded and config and wrong:
        its_text = " (the checkpoint contains the config's text: meta['cfg'])" if settings else ""
        fix = f"give the config of the training{its_text}"
        raise LrdecayError(f"does not fit {config.config.path}: {wrong}", where=path, fix=fix)
    fitting = None if wrong else config
    names = [group.names or () for group in saved]
    if config and not recorded:
        names = [tuple(parameter.name for parameter in group.parameters) for group in counterparts(saved, config)]
    # Base lr of each optimizer: the saved value, else the value in the checkpoint's config.
    bases, unscaled = {}, {}
    for name in dict.fromkeys(group.optimizer for group in saved):
        own = [group for group in saved if group.optimizer == name]
        found, stated = base_of(own), _number(_optimizer(wrapper, name).get("lr"))
        bases[name] = stated if found is None else found
        before_scaling = common(group.base_lr for group in own)
        unscaled[name] = stated if before_scaling is None else before_scaling
    batch = saved_batch(settings, saved, unscaled, fitting)
    if batch is not None:
        bases = unscaled
    base_decays = {group.base_weight_decay for group in saved}
    groups, duplicates = _groups(path, saved, names, shapes, fitting, bases, batch)
    grouped = list({parameter.name: parameter for group in groups for parameter in group.parameters}.values())
    tensors, parameters = len(grouped), sum(parameter.numel for parameter in grouped)
    # Options of a single optimizer as in a config; empty for several.
    optimizer = _optimizer(wrapper, "") if len(bases) == 1 else {}
    types = {name: _type(_optimizer(wrapper, name)) for name in bases}
    known = fitting.optimizer if fitting and fitting.optimizer.types == types else None
    model = _dict(settings.get("model"))
    backbone = _dict(model.get("backbone"))
    schedulers = settings.get("param_scheduler") or []
    version = meta.get("mmengine_version")
    read = GroupMap(
        schema_version=SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        stack={"torch": str(torch.__version__)},
        device="cpu",
        config=ConfigSource(path, hashlib.sha256(pickled).hexdigest(), {}),
        constructor=Constructor(
            _type(wrapper, "constructor", DEFAULT.name if settings else UNKNOWN), _dict(wrapper.get("paramwise_cfg"))
        ),
        optimizer=Optimizer(
            type=", ".join(dict.fromkeys(types.values())),
            wrapper=_type(wrapper, default="OptimWrapper" if optimizer else UNKNOWN),
            options={key: value for key, value in optimizer.items() if key not in ("type", "lr", "weight_decay")},
            types=types,
            effects=known.effects if known else _effects(types, saved),
            turns=fitting.optimizer.turns if fitting else msgspec.UNSET,
        ),
        base_lr=common(bases.values()),
        base_weight_decay=_number(optimizer.get("weight_decay")) if base_decays == {None} else common(base_decays),
        model=Model(
            type=_type(model),
            backbone=_type(backbone) if backbone.get("type") else None,
            totals=Totals(tensors, parameters, tensors, parameters, 0, 0, 0, 0, len(duplicates)),
        ),
        groups=groups,
        frozen=(),
        missing=(),
        duplicates=duplicates,
        stubs=(),
        modules={},
        training=Training(
            optim_wrapper=wrapper,
            param_scheduler=tuple(schedulers if isinstance(schedulers, list) else [schedulers]),
            train_cfg=_dict(settings.get("train_cfg")),
            misplaced={},
            reads=None,
            inherited=(),
        ),
        checkpoint=Checkpoint(
            epoch=_count(meta.get("epoch")),
            iteration=_count(meta.get("iter")),
            # mmengine appends the hash of the current repository, which differs between machines.
            written_by=f"mmengine {'.'.join(version.split('.')[:2])}"
            if isinstance(version, str) and len(version) < 100
            else None,
            names="recorded" if recorded else "by position",
            config=config.config.path if config else None,
            misfit=wrong,
            unclaimed=0 if fitting else len(shapes.keys() - {parameter.name for parameter in grouped}),
        ),
        batch=batch or msgspec.UNSET,
    )
    if fitting is None:
        return read
    # The tensors are those of the built model, so facts about the built model apply.
    return msgspec.structs.replace(
        read,
        model=fitting.model,
        frozen=fitting.frozen,
        missing=fitting.missing,
        training=msgspec.structs.replace(read.training, train_mode=fitting.training.train_mode),
        duplicates=fitting.duplicates,
        modules=fitting.modules,
        constructor=fitting.constructor if read.constructor.type == UNKNOWN else read.constructor,
        optimizer=fitting.optimizer if read.optimizer.type == UNKNOWN else read.optimizer,
    )


def _groups(
    path: str,
    saved: Sequence[SavedGroup],
    names: Sequence[Sequence[str]],
    shapes: Mapping[str, Shape],
    config: GroupMap | None,
    bases: Mapping[str, float | None],
    batch: Batch | None,
) -> tuple[tuple[ParameterGroup, ...], tuple[Duplicate, ...]]:
    known = {parameter.name: parameter for _, parameter in config.grouped()} if config else {}
    turns = config.optimizer.turns or () if config else ()
    holders: dict[str, list[str]] = {}
    groups, duplicates = [], []
    for group, members in zip(saved, names, strict=True):
        held = []
        for name, state in zip(members, group.shapes, strict=True):
            same = known.get(name)
            found = (shapes.get(name), state, same.shape if same else None)
            shape = next((shape for shape in found if shape is not None), None)
            if shape is None:
                fix = "give the training's config: --config CONFIG"
                raise LrdecayError(f"the checkpoint does not contain the shape of {name!r}", where=path, fix=fix)
            of = holders.setdefault(name, [])
            if of and not takes_turn(turns, of, group.optimizer):
                duplicates.append(Duplicate(name, shape, math.prod(shape), name))
                continue
            of.append(group.optimizer)
            # A checkpoint does not record frozen parameters.
            held.append(GroupedParameter(name, shape, math.prod(shape), same.requires_grad if same else True, None))
        base = bases[group.optimizer]
        groups.append(
            read_group(
                group.name,
                group.optimizer,
                group.options,
                base,
                tuple(held),
                first_lr=group.first_lr,
                precisions=group.precisions,
                lr_factor=(batch.lr_factor if batch else None) or 1.0,
            )
        )
    return uniquely_named(groups), tuple(duplicates)


def _config_beside(path: str) -> str:
    """Return the path of the config that the training saved beside its checkpoint.

    If there is none, return the placeholder ``CONFIG``.
    """
    try:
        return dumped_config(str(Path(path).parent))
    except LrdecayError:
        return "CONFIG"


def _optimizer(wrapper: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the config of the optimizer ``name``. With several optimizers, ``optim_wrapper`` has a key for each."""
    return _dict((_dict(wrapper.get(name)) if name else wrapper).get("optimizer"))


def _effects(types: Mapping[str, str], saved: Sequence[SavedGroup]) -> dict[str, OptimizerEffects]:
    """Return how each of torch's own optimizers uses lr and weight decay, by optimizer name. Omits other optimizers.

    lrdecay recognises torch's optimizers by their class names. The exception is ``Adafactor``: under this name,
    mmengine registers the class of the package transformers. Source: mmengine 0.10.7, ``register_torch_optimizers``.
    """
    found = {}
    for name, kind in types.items():
        defined = getattr(torch.optim, kind, None) if kind != "Adafactor" else None
        options = next(group.options for group in saved if group.optimizer == name)
        if isinstance(defined, type) and (row := effects_of(defined.__module__, kind, options)):
            found[name] = row
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _type(settings: Mapping[str, Any], key: str = "type", default: str = UNKNOWN) -> str:
    """Return the name of a type in a config without its module path. A scope such as ``mmdet.`` stays.

    For example, ``mmdet.models.ResNet`` becomes ``ResNet``, and ``mmdet.ResNet`` stays.
    """
    named = settings.get(key)
    if not isinstance(named, str) or not named:
        return default
    return named.rpartition(".")[2] if named.count(".") > 1 else named


def _dict(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
