"""Compare two group maps, parameter by parameter."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Literal

from msgspec import UNSET

from lrdecay_cli.analysis.comparing.folding import find_renames
from lrdecay_cli.domain.change import ASPECTS, IN_GROUPS, Aspect, Change
from lrdecay_cli.domain.errors import LrdecayError, not_one_of
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.precision import alike
from lrdecay_cli.domain.provenance import NUMBERS

# Options that identify the group or repeat other aspects.
_IDENTITY = frozenset({"param_name", "param_names", "group_name", "layer_id", "lr_scale", "initial_lr"})


SIDES: tuple[Literal["before", "after"], ...] = ("before", "after")


def known_aspects(names: Iterable[str]) -> frozenset[Aspect]:
    """Return the aspects with these names, such as ``lr``. An aspect is a property that ``diff`` compares.

    Raises LrdecayError for an unknown name.
    """
    known: dict[str, Aspect] = {aspect: aspect for aspect in ASPECTS}
    aspects = set()
    for name in names:
        if name not in known:
            raise not_one_of(f"no aspect {name!r}", name, ASPECTS, where="--only")
        aspects.add(known[name])
    return frozenset(aspects)


def check_tolerance(rtol: float) -> None:
    """Raise LrdecayError if ``rtol`` is negative or NaN."""
    if not rtol >= 0:
        raise LrdecayError(
            f"the tolerance {rtol} is invalid", where="--rtol", fix="give a number of at least 0, such as 1e-6"
        )


def diff(
    before: GroupMap, after: GroupMap, *, rtol: float = 0.0, only: Iterable[str] | None = None
) -> Iterator[Change]:
    """Yield every difference between two maps, in the order of the first map. Added parameters come last.

    If a parameter is in a group in both maps, its group, numbers and options are compared. Otherwise, ``added``,
    ``removed`` or ``state`` reports the difference. If a value that ``only`` names exists in only one of the maps,
    these three are reported even if ``only`` does not name them. For example, ``only=["lr"]`` reports an added
    parameter, because its lr exists only in the second map.

    Args:
        before: the first map.
        after: the second map.
        rtol: relative tolerance for lr, lr scale and weight decay.
        only: names of the aspects to compare; None for all.

    Raises:
        LrdecayError: an aspect is unknown or the tolerance is invalid. The error is raised at the call, before the
            first change is requested.
    """
    check_tolerance(rtol)
    wanted = frozenset(ASPECTS) if only is None else known_aspects(only)
    return (change for change in _changes(before, after, rtol) if change.aspect in wanted or _one_sided(change, wanted))


def _one_sided(change: Change, compared: Set[Aspect]) -> bool:
    """True if only one of the two maps has a compared value of the tensor, for example its lr.

    In the other map, the tensor is missing or in no group.
    """
    if change.aspect in ("added", "removed") and not compared.isdisjoint(("frozen", "shape")):
        return True
    has_values = change.aspect == "state" or str(change.before or change.after).startswith("grouped")
    return has_values and one_side(change) is not None and not compared.isdisjoint(IN_GROUPS)


def one_side(change: Change) -> Literal["before", "after"] | None:
    """Return ``before`` or ``after``: the only map that has the tensor, or the only map with the tensor in a group.

    For example, an added tensor gives ``after``. Returns None for other changes, such as a changed lr.
    """
    if change.aspect in ("added", "removed"):
        return "after" if change.aspect == "added" else "before"
    states = (str(change.before), str(change.after))
    # A duplicate has the numbers of its first name.
    if change.aspect != "state" or any("duplicate" in state for state in states):
        return None
    was, now = (state.startswith("grouped") for state in states)
    return None if was == now else "before" if was else "after"


def digest_of(group_map: GroupMap) -> str:
    """Return the SHA-256 of all values that :func:`diff` compares. Maps with the same SHA-256 have no differences."""
    kinds = {id(None): ""}
    for group in group_map.groups:
        options = group_options(group)
        numbers = [getattr(group, name) for name in NUMBERS]
        kinds[id(group)] = repr((group_label(group), numbers, sorted(options.items()), group_map.optimizer.type))
    rows = sorted(
        (tensor.name, tensor.shape, _state(tensor), tensor.of, tensor.trainable, kinds[id(tensor.group)])
        for tensor in group_map.tensors()
    )
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _changes(before: GroupMap, after: GroupMap, rtol: float) -> Iterator[Change]:
    olds, news = ({tensor.name: tensor for tensor in side.tensors()} for side in (before, after))
    renamed = renames(before, after)
    optimizers = (before.optimizer.type, after.optimizer.type)
    # A map without the changes by train() is compared by the state before train().
    built = any(side.training.train_mode is UNSET for side in (before, after))
    # Parameters with the same two groups have the same changes.
    by_groups: dict[tuple[int, int], list[tuple[Aspect, Any, Any]]] = {}

    for name, old in olds.items():
        new = news.get(renamed.get(name, name))
        if new is None:
            yield Change(name, "removed", _state(old), None)
            continue
        if name in renamed:
            yield Change(name, "renamed", name, renamed[name])
        for aspect, was, now in _state_changes(old, new, renamed, built=built):
            yield Change(name, aspect, was, now)
        if old.later or new.later:
            for aspect, was, now in _turn_changes(old, new, optimizers, rtol):
                yield Change(name, aspect, was, now)
        elif old.group and new.group:
            groups = (id(old.group), id(new.group))
            if groups not in by_groups:
                by_groups[groups] = list(_group_changes(old.group, new.group, optimizers, rtol))
            for aspect, was, now in by_groups[groups]:
                yield Change(name, aspect, was, now)

    arrived = set(renamed.values())
    for name, new in news.items():
        if name not in olds and name not in arrived:
            yield Change(name, "added", None, _state(new))


def renames(before: GroupMap, after: GroupMap) -> dict[str, str]:
    """Return a dict from old to new parameter names, only for modules that were renamed and not changed otherwise."""
    return find_renames(*({tensor.name: _traits(tensor) for tensor in side.tensors()} for side in (before, after)))


def _traits(tensor: Tensor) -> Hashable:
    """Return the properties of a tensor that a rename does not change."""
    groups = [held.group for held in tensor.in_groups() if held.group]
    numbers = [(group_label(group), *(getattr(group, number) for number in NUMBERS)) for group in groups]
    # As text, because NaN does not equal itself.
    return (tensor.shape, tensor.state, tensor.times, repr(numbers))


def _state(tensor: Tensor) -> str:
    """Return the state of a tensor: ``grouped``, ``frozen``, ``missing`` or ``duplicate``.

    If the tensor is in groups more than once, the text says how often: ``grouped twice``.
    """
    state = "grouped" if tensor.group else tensor.state
    return state if tensor.times == 1 else f"{state} {'twice' if tensor.times == 2 else f'{tensor.times} times'}"


def _state_changes(
    old: Tensor, new: Tensor, renamed: Mapping[str, str], *, built: bool
) -> Iterator[tuple[Aspect, Any, Any]]:
    if _state(old) != _state(new):
        yield "state", _state(old), _state(new)
    elif old.of and new.of and renamed.get(old.of, old.of) != new.of:
        yield "state", f"duplicate of {old.of}", f"duplicate of {new.of}"
    # A duplicate is compared by its first name.
    was, now = ((side.trainable is side.by_train if built else not side.trainable) for side in (old, new))
    if "duplicate" not in (old.state, new.state) and was != now:
        yield "frozen", was, now
    if old.shape != new.shape:
        yield "shape", old.shape, new.shape


def _group_changes(
    old: ParameterGroup, new: ParameterGroup, optimizers: tuple[str, str], rtol: float
) -> Iterator[tuple[Aspect, Any, Any]]:
    if group_label(old) != group_label(new):
        yield "group", group_label(old), group_label(new)
    for aspect in NUMBERS:
        was, now = getattr(old, aspect), getattr(new, aspect)
        if not _unchanged(old, new, aspect, was, now, rtol):
            yield aspect, was, now
    if optimizers[0] != optimizers[1]:
        yield "optimizer", *optimizers
    olds, news = _all_options(old), _all_options(new)
    differing = [
        key
        for key in sorted((olds.keys() | news.keys()) - _IDENTITY)
        if key not in olds or key not in news or not _unchanged(old, new, key, olds[key], news[key])
    ]
    if differing:
        was, now = ({key: side[key] for key in differing if key in side} for side in (olds, news))
        yield "options", was, now


def _turn_changes(
    old: Tensor, new: Tensor, optimizers: tuple[str, str], rtol: float
) -> Iterator[tuple[Aspect, Any, Any]]:
    """Yield the changes of a tensor that several optimizers step in turn.

    Each old and new value is a dict with one key per optimizer, for example ``{"generator": 0.001}``.
    """
    before, after = (
        {held.group.optimizer: held.group for held in side.in_groups() if held.group} for side in (old, new)
    )
    if before and after:
        found: dict[Aspect, tuple[dict[str, Any], dict[str, Any]]] = {}
        for name in {**before, **after}:
            was, now = before.get(name), after.get(name)
            if was and now:
                for aspect, value, other in _group_changes(was, now, ("", ""), rtol):
                    olds, news = found.setdefault(aspect, ({}, {}))
                    olds[name], news[name] = value, other
            elif group := was or now:
                sides = found.setdefault("group", ({}, {}))
                sides[was is None][name] = group_label(group)
        if optimizers[0] != optimizers[1]:
            yield "optimizer", *optimizers
        yield from ((aspect, *found[aspect]) for aspect in ASPECTS if aspect in found)


def group_options(group: ParameterGroup) -> dict[str, Any]:
    """Return the options of a group that ``diff`` compares.

    If an option has less than double precision, the result also contains its precision. For example, the key
    ``lr precision`` contains the precision of ``lr``.
    """
    return {key: value for key, value in _all_options(group).items() if key not in _IDENTITY}


def _all_options(group: ParameterGroup) -> dict[str, Any]:
    """Return all options of a group, and the precisions below double precision, for example ``lr precision``."""
    precisions = group.precisions or {}
    return {**group.options, **{f"{key} precision": precision for key, precision in precisions.items()}}


def _unchanged(old: ParameterGroup, new: ParameterGroup, key: str, was: Any, now: Any, rtol: float = 0.0) -> bool:
    """True if the option ``key`` has the same value in both groups.

    If one value is a float32 tensor and the other a Python float, they may differ by rounding.
    """
    # An lr scale that was not recorded is computed from the lr.
    kept = "lr" if key == "lr_scale" else key
    precisions = old.precision(kept), new.precision(kept)
    return equal(was, now, rtol, precisions if precisions[0] != precisions[1] else ())


def group_label(group: ParameterGroup) -> str:
    """Return the group's name.

    A numbered name, such as ``group_3``, becomes ``group_*``: its number changes if earlier parameters are added.
    """
    return group.name if group.named else f"{group.optimizer}.group_*".removeprefix(".")


def equal(old: Any, new: Any, rtol: float = 0.0, precisions: Sequence[str | None] = ()) -> bool:
    """True if two values are equal. Numbers may differ by ``rtol`` times the larger number; NaN equals NaN.

    If ``precisions`` contains the precision of each number, numbers that differ only by rounding are equal.
    """
    if isinstance(old, float) and isinstance(new, float):
        same = math.isclose(old, new, rel_tol=rtol) or (math.isnan(old) and math.isnan(new))
        return same or (bool(precisions) and alike(old, new, *precisions))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return all(equal(was, now, rtol, precisions) for was, now in zip(old, new, strict=True))
    return bool(old == new)
