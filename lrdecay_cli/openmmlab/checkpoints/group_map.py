"""From a checkpoint to the group map of the optimizer that it saved."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
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
from lrdecay_cli.domain.training import Checkpoint, Constructor, Model, Optimizer, Totals, Training
from lrdecay_cli.files.config_text import settings_of
from lrdecay_cli.openmmlab.checkpoints.loading import load_checkpoint
from lrdecay_cli.openmmlab.checkpoints.saved_groups import (
    SavedGroup,
    Shape,
    base_of,
    misfit,
    names_by_position,
    saved_groups,
    saved_shapes,
)
from lrdecay_cli.openmmlab.reading import common, read_group, uniquely_named

UNKNOWN = "unknown"


def checkpoint_map(path: str, config: GroupMap | None = None) -> GroupMap:
    """The group map of a checkpoint: what a run that resumes from it goes on with.

    ``lr`` is the saved one, where the schedule had got to; ``lr_scale`` is what the constructor recorded, else
    ``initial_lr`` over the base lr. The config that the checkpoint holds as text is never run: it tells the names of
    the model, of the constructor and of the optimizer.

    Args:
        path: the checkpoint.
        config: map of the config that it was trained with, which names the parameters by their position where the
            constructor recorded no names, and tells frozen parameters from buffers.

    Raises:
        LrdecayError: the checkpoint is not to be read, holds no optimizer, or its parameters cannot be named.
    """
    loaded, pickled = load_checkpoint(path)
    saved = saved_groups(loaded, path)
    shapes = saved_shapes(loaded)
    meta = _dict(loaded.get("meta"))
    # The settings of the run that wrote it, from their text; empty where there is none that can be read.
    settings = settings_of(meta.get("cfg"))
    wrapper = _dict(settings.get("optim_wrapper"))
    optimizer = _dict(wrapper.get("optimizer"))
    wrong = misfit(saved, shapes, config) if config else None
    recorded = all(group.names is not None for group in saved)
    if not recorded:
        _check_nameable(path, saved, config, wrong, has_text=bool(settings))
    fitting = None if wrong else config
    names = names_by_position(saved, config) if config and not recorded else [group.names or () for group in saved]
    bases = _base_lrs(saved, _number(optimizer.get("lr")))
    groups, duplicates = _groups(path, saved, names, shapes, fitting, bases)
    grouped = [parameter for group in groups for parameter in group.parameters]
    claimed = {parameter.name for parameter in grouped}
    read = GroupMap(
        schema_version=SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        stack={"torch": str(torch.__version__)},
        device="cpu",
        config=ConfigSource(path, hashlib.sha256(pickled).hexdigest(), {}),
        constructor=_constructor(wrapper, known=bool(settings)),
        optimizer=_optimizer(wrapper, optimizer, saved),
        base_lr=common(bases.values()),
        base_weight_decay=_base_weight_decay(saved, _number(optimizer.get("weight_decay"))),
        model=Model(*_model_names(settings), _totals(grouped, duplicates)),
        groups=groups,
        frozen=(),
        missing=(),
        duplicates=duplicates,
        stand_ins=(),
        modules={},
        training=_training(settings, wrapper),
        checkpoint=Checkpoint(
            epoch=_count(meta.get("epoch")),
            iteration=_count(meta.get("iter")),
            written_by=_written_by(meta),
            names="recorded" if recorded else "by position",
            config=config.config.path if config else None,
            misfit=wrong,
            unclaimed=0 if fitting else len(shapes.keys() - claimed),
        ),
    )
    return _completed(read, fitting) if fitting else read


def _check_nameable(
    path: str, saved: Sequence[SavedGroup], config: GroupMap | None, wrong: str | None, *, has_text: bool
) -> None:
    if config is None:
        tensors = sum(len(group.shapes) for group in saved)
        raise LrdecayError(
            f"its constructor recorded no names, so that its {tensors} parameters are known by their position alone",
            where=path,
            remedy="name them by the config it was trained with: --config CONFIG",
        )
    if wrong:
        raise LrdecayError(
            f"does not fit {config.config.path}: {wrong}",
            where=path,
            remedy="give the config that it was trained with"
            + (" (its text is in the checkpoint: meta['cfg'])" if has_text else ""),
        )


def _groups(
    path: str,
    saved: Sequence[SavedGroup],
    names: Sequence[Sequence[str]],
    shapes: Mapping[str, Shape],
    config: GroupMap | None,
    bases: Mapping[str, float | None],
) -> tuple[tuple[ParameterGroup, ...], tuple[Duplicate, ...]]:
    known = {parameter.name: parameter for _, parameter in config.grouped()} if config else {}
    seen: set[str] = set()
    groups, duplicates = [], []
    for group, members in zip(saved, names, strict=True):
        held = []
        for name, state in zip(members, group.shapes, strict=True):
            same = known.get(name)
            found = (shapes.get(name), state, same.shape if same else None)
            shape = next((shape for shape in found if shape is not None), None)
            if shape is None:
                raise LrdecayError(
                    f"says nowhere what shape {name!r} has",
                    where=path,
                    remedy="name its parameters with --config CONFIG",
                )
            if name in seen:
                duplicates.append(Duplicate(name, shape, math.prod(shape), name))
                continue
            seen.add(name)
            # A checkpoint does not say what takes no gradient.
            held.append(GroupedParameter(name, shape, math.prod(shape), same.requires_grad if same else True, None))
        base = bases[group.optimizer]
        groups.append(
            read_group(group.name, group.optimizer, group.options, base, tuple(held), first_lr=group.first_lr)
        )
    return uniquely_named(groups), tuple(duplicates)


def _completed(read: GroupMap, config: GroupMap) -> GroupMap:
    """The map with what only the built model tells: it is the same model, tensor by tensor."""
    return msgspec.structs.replace(
        read,
        model=config.model,
        frozen=config.frozen,
        missing=config.missing,
        duplicates=config.duplicates,
        modules=config.modules,
        constructor=config.constructor if read.constructor.type == UNKNOWN else read.constructor,
        optimizer=config.optimizer if read.optimizer.type == UNKNOWN else read.optimizer,
    )


def _totals(grouped: Sequence[GroupedParameter], duplicates: Sequence[Duplicate]) -> Totals:
    tensors, parameters = len(grouped), sum(parameter.numel for parameter in grouped)
    return Totals(tensors, parameters, tensors, parameters, 0, 0, 0, 0, len(duplicates))


def _base_lrs(saved: Sequence[SavedGroup], default: float | None) -> dict[str, float | None]:
    """What the scales of each optimizer are of: what it saved, else what the checkpoint's config says."""
    bases = {}
    for optimizer in dict.fromkeys(group.optimizer for group in saved):
        found = base_of([group for group in saved if group.optimizer == optimizer])
        bases[optimizer] = default if found is None else found
    return bases


def _base_weight_decay(saved: Sequence[SavedGroup], default: float | None) -> float | None:
    found = {group.base_weight_decay for group in saved}
    return default if found == {None} else common(found)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _constructor(wrapper: Mapping[str, Any], *, known: bool) -> Constructor:
    default = DEFAULT.name if known else UNKNOWN
    return Constructor(_name(wrapper.get("constructor"), default), _dict(wrapper.get("paramwise_cfg")))


def _optimizer(wrapper: Mapping[str, Any], own: Mapping[str, Any], saved: Sequence[SavedGroup]) -> Optimizer:
    options = {key: value for key, value in own.items() if key not in ("type", "lr", "weight_decay")}
    kind = _name(own.get("type"))
    types = dict.fromkeys((group.optimizer for group in saved), kind)
    return Optimizer(kind, _name(wrapper.get("type"), "OptimWrapper" if own else UNKNOWN), options, types)


def _model_names(settings: Mapping[str, Any]) -> tuple[str, str | None]:
    model = _dict(settings.get("model"))
    backbone = _dict(model.get("backbone")).get("type")
    return _name(model.get("type")), _name(backbone) if backbone else None


def _training(settings: Mapping[str, Any], wrapper: Mapping[str, Any]) -> Training:
    schedulers = settings.get("param_scheduler") or []
    schedulers = schedulers if isinstance(schedulers, list) else [schedulers]
    return Training(wrapper, tuple(schedulers), _dict(settings.get("train_cfg")), {}, None, ())


def _written_by(meta: Mapping[str, Any]) -> str | None:
    version = meta.get("mmengine_version")
    # Behind three numbers mmengine writes the hash of whatever repository it was run in.
    return f"mmengine {'.'.join(version.split('.')[:2])}" if isinstance(version, str) and len(version) < 100 else None


def _name(value: Any, default: str = UNKNOWN) -> str:
    """A type as a config names it, with its scope or without; the text of a lazy config spells it with its module."""
    if not isinstance(value, str) or not value:
        return default
    return value.rpartition(".")[2] if value.count(".") > 1 else value


def _dict(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
