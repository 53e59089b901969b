"""What exempts parameters from weight decay: an option or custom keys."""

from __future__ import annotations

from collections.abc import Iterable

from lrdecay_cli.decay.parameter_kinds import Kind
from lrdecay_cli.rules.context.rule_context import PARAMWISE, RuleContext


def exempting_setting(context: RuleContext, kind: Kind, names: Iterable[str]) -> str:
    """The setting that exempts these parameters from weight decay."""
    names = list(names)
    if context.without_options:
        return f"give {context.spec.name} a decay rate: without options it makes one group and exempts nothing"
    if not context.spec.multipliers:
        return context.spec.exempting
    option = _option_for(context, kind, names)
    keyed = [key for key, matches in context.custom_keys.items() if not {*names}.isdisjoint(matches.wins)]
    if option:
        beyond = f", and keys longer than {keyed[0]!r} for those that it has" if keyed else ""
        return f"{PARAMWISE}.{option}=0{beyond}"
    keys = sorted({_key(name) for name in names}, key=len)
    keys = [key for key in keys if not any(other != key and other in key for other in keys)]
    listed = ", ".join(f"{key!r}: dict(decay_mult=0)" for key in keys[:3])
    return f"custom_keys={{{listed}{', …' if len(keys) > 3 else ''}}}"


def _option_for(context: RuleContext, kind: Kind, names: list[str]) -> str:
    modules = [context.module(name) for name in names]
    if kind == "norm" and all(module and "norm" in module.traits for module in modules):
        return "norm_decay_mult"
    if kind == "bias" and all(_own(name) == "bias" for name in names):
        return "bias_decay_mult"
    if all(len(context.tensors[name].shape) == 1 for name in names):
        return "flat_decay_mult"
    return ""


def _key(name: str) -> str:
    path, _, own = name.rpartition(".")
    return f"{path.rpartition('.')[2]}.{own}" if own in ("weight", "bias", "scale", "gain") and path else own


def _own(name: str) -> str:
    return name.rpartition(".")[2]
