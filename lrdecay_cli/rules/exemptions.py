"""Which parameters of a kind are decayed and which are not, and whether the config shows that it means otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from lrdecay_cli.decay.parameter_kinds import Kind
from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.rules.context.rule_context import PARAMWISE, RuleContext
from lrdecay_cli.rules.registry import Fault
from lrdecay_cli.text.counting import count, verb

STRONG = 0.01
"""From this weight decay on, AdamW and its kin are meant to regularise weights; SGD's usual 1e-4 decays all alike."""

_NOUNS: dict[Kind, str] = {
    "norm": "normalisation tensor",
    "bias": "bias",
    "position": "position embedding",
    "relative-position": "relative position table",
    "token": "token",
    "layer-scale": "layer-scale gamma",
}

_DECOUPLED = re.compile(r"(?i)adamw|lion|lamb|lars|adan|sophia|muon")


_LISTED = re.compile(
    r"(?i)^(?:no|skip|without|exclude|exempt|ignore).*(?:decay|wd)|(?:decay|wd).*(?:skip|exclude|exempt|ignore)"
)


class DecaySplit(NamedTuple):
    """How the trainable parameters of one kind stand."""

    decayed: Mapping[str, float]
    """Weight decay by name."""
    exempt: tuple[str, ...]


def standing(context: RuleContext, kinds: Iterable[Kind]) -> DecaySplit:
    """Which trainable parameters of ``kinds`` are decayed."""
    wanted = {*kinds}
    decayed: dict[str, float] = {}
    exempt: list[str] = []
    for name, weight_decay in context.weight_decays.items():
        if context.kinds.get(name) in wanted:
            if weight_decay:
                decayed[name] = weight_decay
            else:
                exempt.append(name)
    return DecaySplit(decayed, tuple(exempt))


def is_strong(context: RuleContext) -> bool:
    """Whether the weight decay is of the size that is meant for weights alone."""
    base = context.group_map.base_weight_decay
    return base is not None and base >= STRONG and bool(_DECOUPLED.search(context.group_map.optimizer.type))


def decayed_faults(
    context: RuleContext,
    kinds: Iterable[Kind],
    *,
    strong: Severity,
    partial: Severity,
    beside_others: Severity | None = None,
    leave_out: Iterable[str] = (),
) -> Iterator[Fault]:
    """One fault for each kind that is decayed although the config shows that it means otherwise.

    Args:
        context: the map.
        kinds: those that one rule is about.
        strong: severity where weight decay is strong, see :func:`is_strong`.
        partial: severity where others of the same kind are exempt.
        beside_others: severity where only parameters of other kinds are exempt; None says nothing then.
        leave_out: what another rule tells.
    """
    left_out = {*leave_out}
    for kind in kinds:
        decayed, exempt = standing(context, [kind])
        named = [name for name in decayed if name not in left_out]
        # bias_decay_mult reaches the biases of norms too, and leaves their weights.
        parts = {_own(name) for name in named}
        alike = [name for name in exempt if _own(name) in parts] if kind == "norm" else exempt
        severity = (
            partial
            if alike
            else strong
            if is_strong(context)
            else beside_others
            if beside_others and context.has_exemptions
            else None
        )
        if not named or severity is None:
            continue
        values = sorted({decayed[name] for name in named})
        amount = f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
        message = f"{count(len(named), _NOUNS[kind])} {verb(len(named), 'is', 'are')} decayed at {amount}"
        if alike:
            message += f", while {len(alike)} {verb(len(alike), 'is', 'are')} exempt"
        elif not is_strong(context):
            message += ", while parameters of other kinds are exempt"
        yield Fault(message, remedy(context, kind, named), parameters=named, severity=severity)


def exemption_lists(context: RuleContext) -> dict[str, tuple[str, ...]]:
    """Names that a list exempts from weight decay, by option; the constructor's own list is under the empty one."""
    found = {
        option: tuple(item for item in items if isinstance(item, str) and item)
        for option, items in context.options.items()
        if _LISTED.search(option) and isinstance(items, (list, tuple))
    }
    return {"": context.spec.exempt_names, **found} if context.spec.exempt_names else found


def vainly_exempt(context: RuleContext, item: str) -> list[str]:
    """Decayed parameters that an item of such a list means; none where it exempts some."""
    meant = [name for name in context.weight_decays if f".{item}" in f".{name}"]
    return meant if all(context.weight_decays[name] for name in meant) else []


def all_vainly_exempt(context: RuleContext) -> set[str]:
    """The same for every item of every list."""
    return {
        name for items in exemption_lists(context).values() for item in items for name in vainly_exempt(context, item)
    }


def remedy(context: RuleContext, kind: Kind, names: Iterable[str]) -> str:
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
