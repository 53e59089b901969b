"""Choose the log keys (``lr/layer_0``) of ``ParamGroupAuditHook(log_lr=True)``: groups with equal lrs share a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lrdecay_cli.domain.group_map import ParameterGroup

PREFIX = "lr/"
"""Prefix of the keys in the log, for example in ``lr/layer_0``."""
_SHOWN = 3


def curve_names(groups: Sequence[ParameterGroup]) -> tuple[str, ...]:
    """Return, for each group, the name of the curve under which its lr is logged.

    A curve is the lr over the training. Several groups with the same initial lr may share a curve.

    Named groups share a curve if their names differ only by weight decay: ``layer_0_decay`` and ``layer_0_no_decay``
    become ``layer_0``. Unnamed groups of an optimizer share a curve if their lrs are equal. The name of this curve is
    the innermost module that contains all their parameters. If there is no such module, the name lists the top-level
    modules of these parameters. With several optimizers, the name of the optimizer is the prefix.

    Args:
        groups: the groups, with the lrs that the constructor set.
    """
    short = {group.name: _short(group) for group in groups if group.named}
    lrs: dict[tuple[str, str], set[float | None]] = {}
    anonymous: dict[tuple[str, float | None], list[str]] = {}
    for group in groups:
        if group.named:
            lrs.setdefault((group.optimizer, short[group.name]), set()).add(group.lr)
        else:
            names = anonymous.setdefault((group.optimizer, group.lr), [])
            names += [parameter.name for parameter in group.parameters]
    taken: Counter[str] = Counter()
    modules: dict[tuple[str, float | None], str] = {}
    for (optimizer, lr), names in anonymous.items():
        label = _prefixed(optimizer, _module_of(names))
        taken[label] += 1
        modules[optimizer, lr] = label if taken[label] == 1 else f"{label}_{taken[label]}"

    def name_of(group: ParameterGroup) -> str:
        if not group.named:
            return modules[group.optimizer, group.lr]
        same = len(lrs[group.optimizer, short[group.name]]) == 1
        own = short[group.name] if same else group.name.removeprefix(f"{group.optimizer}.")
        return _prefixed(group.optimizer, own)

    return tuple(name_of(group) for group in groups)


def logged_lrs(
    groups: Sequence[ParameterGroup], names: Sequence[str], lrs: Sequence[float | None]
) -> Mapping[str, float]:
    """Return the lrs to log. Each key is ``lr/`` and the name of a curve, for example ``lr/layer_0``.

    If groups that share a curve have different lrs now, each of these groups is logged separately. The key then
    contains the name of the group, or of its first parameter.

    Args:
        groups: the groups in the optimizer's order.
        names: for each group, the name of its curve, from :func:`curve_names`.
        lrs: the present lr of each group.
    """
    by_curve: dict[str, dict[int, float]] = {}
    for index, (name, lr) in enumerate(zip(names, lrs, strict=True)):
        if lr is not None:
            by_curve.setdefault(name, {})[index] = lr
    logged = {}
    for name, members in by_curve.items():
        if len({*members.values()}) == 1:
            logged[f"{PREFIX}{name}"] = next(iter(members.values()))
            continue
        logged.update((f"{PREFIX}{_own_name(groups[index])}", lr) for index, lr in members.items())
    return logged


def log_keys(groups: Sequence[ParameterGroup]) -> Mapping[str, int]:
    """Return every log key that :func:`logged_lrs` may use, with the index of the first group of this key."""
    keys = [(f"{PREFIX}{name}", index) for index, name in enumerate(curve_names(groups))]
    keys += [(f"{PREFIX}{_own_name(group)}", index) for index, group in enumerate(groups)]
    return dict(reversed(keys))


def _own_name(group: ParameterGroup) -> str:
    own = group.name if group.named or not group.parameters else group.parameters[0].name
    return _prefixed(group.optimizer, own.removeprefix(f"{group.optimizer}."))


def _short(group: ParameterGroup) -> str:
    own = group.name.removeprefix(f"{group.optimizer}.") if group.optimizer else group.name
    return own.removesuffix("_decay").removesuffix("_no")


def _module_of(names: Sequence[str]) -> str:
    """Return the path of the innermost module that contains all parameters, or else a text such as ``stem+head``."""
    paths = [name.split(".")[:-1] for name in names]
    common = []
    for labels in zip(*paths, strict=False):
        if len({*labels}) > 1:
            break
        common.append(labels[0])
    if common:
        return ".".join(common)
    first = list(dict.fromkeys(name.partition(".")[0] for name in names)) or ["no_parameters"]
    more = len(first) - _SHOWN
    return "+".join([*first[:_SHOWN], f"{more}_more"] if more > 0 else first)


def _prefixed(optimizer: str, label: str) -> str:
    return f"{optimizer}/{label}" if optimizer else label
