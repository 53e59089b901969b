"""Find out why a config has different groups in two environments: options, model, constructor or optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lrdecay_cli.analysis.comparing.folding import fold
from lrdecay_cli.domain.change import Aspect, Change
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.scan import ScanRecord
from lrdecay_cli.domain.stack_difference import Cause

DECIDING = ("model", "optim_wrapper", "auto_scale_lr", "default_scope")
"""Top-level options that affect the groups."""
OTHERS = ("optim_wrapper", "param_scheduler", "train_cfg", "auto_scale_lr", "custom_hooks")
"""Top-level options that affect the training and may differ even if the groups are equal."""
MODEL_ASPECTS: tuple[Aspect, ...] = ("added", "removed", "renamed", "shape", "state", "frozen")
"""Aspects of a change that only the model can cause, for example another shape."""
_RECORDED = ("constructor", "constructor_module", "backbone", "groups", "tensors", "parameters", "frozen", "missing")
_RECORDED_NUMBERS = ("lr_min", "lr_max", "lr_scale_min", "lr_scale_max")

# Aspects that no constructor affects.
_SHAPES = ("added", "removed", "renamed", "shape")

Step = str | int


class Option(msgspec.Struct, frozen=True):
    """An option with different values in two configs."""

    path: tuple[Step, ...]
    before: Any
    after: Any
    in_before: bool
    in_after: bool

    @property
    def name(self) -> str:
        """The path of the option for messages, such as ``model.bbox_head[0].num_classes``."""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return text.removeprefix(".")


def differing_options(before: Any, after: Any, keys: Iterable[str]) -> list[Option]:
    """Return every option below the top-level ``keys`` that differs between two configs.

    Two dicts with the same ``type`` are compared entry by entry, and so are two lists of dicts with the same length.
    """
    return [
        option
        for key in keys
        for option in _differing((key,), before.get(key), after.get(key), key in before, key in after)
    ]


def _differing(path: tuple[Step, ...], old: Any, new: Any, in_old: bool, in_new: bool) -> Iterator[Option]:
    if in_old and in_new and old == new and type(old) is type(new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping) and old.get("type") == new.get("type"):
        for key in {**old, **new}:
            yield from _differing((*path, key), old.get(key), new.get(key), key in old, key in new)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and _of_mappings(old + new):
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            yield from _differing((*path, index), was, now, True, True)
    elif in_old or in_new:
        yield Option(path, old, new, in_old, in_new)


def _of_mappings(values: Iterable[Any]) -> bool:
    return all(isinstance(value, Mapping) for value in values)


def option_causes(options: Iterable[Option], *, proven: bool = False) -> tuple[Cause, ...]:
    """Return one cause of the different groups for each option that differs between the two configs."""
    return tuple(Cause("config", each.name, each.before, each.after, proven=proven) for each in options)


def package_causes(
    changes: Sequence[Change], before: GroupMap, after: GroupMap, *, proven: bool = False
) -> tuple[Cause, ...]:
    """Return the causes that are in the code of packages.

    They are inferred from changes of the groups that no option of the config explains.

    Args:
        changes: the changes of the groups.
        before: the group map from the first environment.
        after: the group map from the second environment.
        proven: True if builds prove that the config's options are not the cause of the changes.
    """
    causes = [
        Cause("model", each.pattern, each.before, each.after, each.aspect, proven=proven)
        for each in fold(
            [change for change in changes if change.aspect in MODEL_ASPECTS],
            before.names(duplicates=True),
            after.names(duplicates=True),
        )
    ]
    constructors = [side.constructor for side in (before, after)]
    named = [(each.module, each.type) for each in constructors]
    if named[0] != named[1] and any(change.aspect not in _SHAPES for change in changes):
        old, new = (f"{each.module}.{each.type}".removeprefix(".") for each in constructors)
        causes.append(Cause("constructor", after.constructor.type, old, new, proven=proven))
    causes += _optimizer_causes(changes, before, after, proven)
    numbers = [change for change in changes if change.aspect in ("layer_id", "lr_scale", "lr", "weight_decay", "group")]
    known_options = {cause.name for cause in causes if cause.kind == "optimizer"}
    causes += [
        Cause("constructor", f"{after.constructor.type}: {aspect}", was, now, aspect, proven=proven)
        for aspect, was, now in _distinct((change.aspect, change.before, change.after) for change in numbers)
        if aspect not in known_options and not (aspect == "group" and len(numbers) > 1 and _has_layer_ids(numbers))
    ]
    return tuple(causes)


def _optimizer_causes(changes: Sequence[Change], before: GroupMap, after: GroupMap, proven: bool) -> Iterator[Cause]:
    """Yield the causes that are in the optimizer.

    For example, the optimizer has another class or another default lr, or a group has another option.
    """
    differing = {change.aspect for change in changes}
    for name, aspect, old, new in (
        ("type", "optimizer", before.optimizer.type, after.optimizer.type),
        ("lr", "lr", before.base_lr, after.base_lr),
        ("weight_decay", "weight_decay", before.base_weight_decay, after.base_weight_decay),
    ):
        if aspect in differing and old != new:
            yield Cause("optimizer", name, old, new, proven=proven)
    pairs = (
        (key, change.before.get(key), change.after.get(key))
        for change in changes
        if change.aspect == "options"
        for key in {**change.before, **change.after}
    )
    for key, old, new in _distinct(pairs):
        yield Cause("optimizer", key, old, new, proven=proven)


def _distinct(values: Iterable[tuple[str, Any, Any]]) -> Iterator[tuple[str, Any, Any]]:
    seen: dict[str, tuple[str, Any, Any]] = {}
    for each in values:
        seen.setdefault(repr(each), each)
    yield from seen.values()


def _has_layer_ids(changes: Iterable[Change]) -> bool:
    return any(change.aspect == "layer_id" for change in changes)


def map_options(before: GroupMap, after: GroupMap) -> list[Option]:
    """Return the options below ``optim_wrapper`` that differ. Maps contain no other options that affect the groups."""
    old, new = ({"optim_wrapper": side.training.optim_wrapper} for side in (before, after))
    return differing_options(old, new, ("optim_wrapper",))


def training_values(group_map: GroupMap) -> dict[str, Any]:
    """Return the options of :data:`OTHERS` that a group map contains."""
    training = group_map.training
    schedulers = [*training.param_scheduler]
    return {"optim_wrapper": training.optim_wrapper, "param_scheduler": schedulers, "train_cfg": training.train_cfg}


def record_causes(before: ScanRecord, after: ScanRecord) -> tuple[Cause, ...]:
    """Return why the records of a config in two scans differ. The result is empty if the records are equal."""
    if before.digest and before.digest == after.digest:
        return ()
    fields = (*_RECORDED, *_RECORDED_NUMBERS)
    causes = [
        Cause("unknown", name, old, new)
        for name in fields
        if (old := getattr(before, name)) != (new := getattr(after, name))
    ]
    digests = before.digest and after.digest
    if (causes or digests) and before.sha256 != after.sha256:
        causes.insert(0, Cause("config", "", before.sha256, after.sha256))
    if digests and not causes:
        causes.append(Cause("unknown", "digest", before.digest, after.digest))
    return tuple(causes)
