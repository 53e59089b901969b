"""Which constructor reads which options, and what an option that nobody read was to do.

What a constructor really read is observed while it runs; the lists here only serve to say what was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors import CONSTRUCTORS, ConstructorSpec, rate_given
from lrdecay_cli.constructors.multipliers import Multiplier
from lrdecay_cli.constructors.recomputation import tensors_met
from lrdecay_cli.decay.options import number_or_none
from lrdecay_cli.rules.context.rule_context import RuleContext
from lrdecay_cli.text.spelling import nearest


def unread_options(context: RuleContext) -> Iterator[str]:
    """Options of ``paramwise_cfg`` that the constructor did not read, a whole dict under its own name.

    Below ``custom_keys`` only of a constructor that lrdecay does not know: what became of a key is for other rules.
    """
    if context.group_map.training.reads is None:
        return
    reads = {*context.group_map.training.reads}
    for option, value in context.options.items():
        if option not in reads:
            yield option
        elif context.spec.custom_keys is None and isinstance(value, Mapping):
            yield from _unread_below(value, option, reads)


def _unread_below(options: Mapping[str, Any], path: str, reads: set[str]) -> Iterator[str]:
    for key, value in options.items():
        inner = f"{path}.{key}"
        if inner not in reads:
            yield inner
        elif isinstance(value, Mapping):
            yield from _unread_below(value, inner, reads)


def option_meant(context: RuleContext, option: str) -> str | None:
    """The option of this constructor that a mis-spelt one is like, None if it is a known one or like none.

    Of a constructor that lrdecay does not know, what it asked for in vain in the same place: ``custom_keys.head.lr``.
    """
    if not context.spec.known:
        return _asked_instead(context, option)
    return None if readers(option) else nearest(option, context.spec.options)


def _asked_instead(context: RuleContext, option: str) -> str | None:
    training = context.group_map.training
    place, dot, name = option.rpartition(".")
    # What it asked for and did not get is likelier than what it got.
    for paths in (training.asked or (), training.reads or ()):
        names = [path.removeprefix(f"{place}{dot}") for path in paths if path.rpartition(".")[0] == place]
        if like := nearest(name, names):
            return f"{place}{dot}{like}"
    return None


def value_of(options: Mapping[str, Any], path: str) -> Any:
    """What stands under a path within ``options``, in whose keys there may be dots too; None if nothing does."""
    if path in options:
        return options[path]
    inner = (
        value_of(value, path.removeprefix(f"{key}."))
        for key, value in options.items()
        if isinstance(value, Mapping) and path.startswith(f"{key}.")
    )
    return next((value for value in inner if value is not None), None)


def own_rate_option(context: RuleContext, option: str) -> str | None:
    """What this constructor calls an option of another one."""
    own = context.spec.rate_option
    is_rate = any(option == spec.rate_option for spec in CONSTRUCTORS)
    return own if context.spec.known and is_rate and own != option and own not in context.options else None


def readers(option: str) -> list[ConstructorSpec]:
    """The known constructors that read an option."""
    return [spec for spec in CONSTRUCTORS if option in spec.options]


def set_together(option: str) -> tuple[str, ...]:
    """The options that set the decay together with this one; empty for an option that is about something else."""
    return next((spec.decay_options for spec in CONSTRUCTORS if option in spec.decay_options), ())


def _multiplier(option: str) -> Multiplier | None:
    known = (multiplier for spec in readers(option) for multiplier in spec.multipliers)
    return next((multiplier for multiplier in known if multiplier.option == option), None)


def parameters_changed_by(context: RuleContext, option: str, value: Any) -> tuple[str, ...] | None:
    """Parameters that would stand otherwise if ``option`` were read; None where that cannot be told."""
    if multiplier := _multiplier(option):
        fitting = [tensor.name for tensor in tensors_met(context.group_map) if multiplier.fit(tensor).fits]
        return tuple(_otherwise(context, fitting, {_MULT[multiplier.target]: value}))
    if option == "custom_keys" and isinstance(value, Mapping):
        changed: dict[str, None] = {}
        for key, settings in value.items():
            names = [name for name in context.weight_decays if str(key) in name]
            changed.update(dict.fromkeys(_otherwise(context, names, settings if isinstance(settings, Mapping) else {})))
        return tuple(changed)
    if option == "bypass_duplicate":
        # Where it matters, torch refuses to build the optimizer without it.
        return ()
    if set_together(option):
        return () if rate_given(context.options) == 1 else None
    return None


_MULT = {"lr": "lr_mult", "weight_decay": "decay_mult"}


def _otherwise(context: RuleContext, names: Iterable[str], settings: Mapping[str, Any]) -> Iterator[str]:
    base = context.group_map.base_weight_decay or 0.0
    lr_mult, decay_mult = number_or_none(settings.get("lr_mult", 1)), number_or_none(settings.get("decay_mult", 1))
    further = any(key not in ("lr_mult", "decay_mult") for key in settings)
    for name in names:
        weight_decay = context.weight_decays.get(name)
        # The decay mult of 1 asks for what there is anyway.
        if weight_decay is not None and (
            lr_mult != 1 or further or decay_mult is None or (decay_mult != 1 and weight_decay != base * decay_mult)
        ):
            yield name
