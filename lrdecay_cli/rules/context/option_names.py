"""Which constructor reads which options, and what an option that nobody read was to do.

What a constructor really read is observed while it runs; the lists here only serve to say what was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors.custom_keys import READERS
from lrdecay_cli.constructors.facts import (
    LRDECAY_LAYER_DECAY,
    MMDET_LAYER_DECAY,
    MMENGINE_DEFAULT,
    MMPRETRAIN_LAYER_DECAY,
    tensors_met,
)
from lrdecay_cli.constructors.multipliers import MULTIPLIERS, Multiplier
from lrdecay_cli.decay.checked import number_or_none
from lrdecay_cli.rules.context.rule_context import RuleContext
from lrdecay_cli.text.spelling import nearest

LAYER_DECAY = ("decay_rate", "num_layers", "decay_type")
"""What MMDetection's decay constructor goes by: one thing, in three options."""

OPTIONS: Mapping[str, tuple[str, ...]] = {
    MMENGINE_DEFAULT: (
        *(multiplier.option for multiplier in MULTIPLIERS[MMENGINE_DEFAULT]),
        "custom_keys",
        "bypass_duplicate",
    ),
    MMDET_LAYER_DECAY: LAYER_DECAY,
    MMPRETRAIN_LAYER_DECAY: (
        "layer_decay_rate",
        *(multiplier.option for multiplier in MULTIPLIERS[MMPRETRAIN_LAYER_DECAY]),
        "custom_keys",
    ),
    LRDECAY_LAYER_DECAY: (*LAYER_DECAY, "backbone", "layers", "custom_keys", "strict_compat"),
}
"""The options of each constructor that lrdecay knows, by class name."""

_MULTIPLIERS: Mapping[str, Multiplier] = {multiplier.option: multiplier for multiplier in MULTIPLIERS[MMENGINE_DEFAULT]}
_SAME = {"decay_rate": "layer_decay_rate", "layer_decay_rate": "decay_rate"}


def unread(context: RuleContext) -> Iterator[str]:
    """Options of ``paramwise_cfg`` that the constructor did not read, a whole dict under its own name.

    Below ``custom_keys`` only of a constructor that lrdecay does not know: what became of a key is for other rules.
    """
    if context.group_map.training.reads is None:
        return
    reads = {*context.group_map.training.reads}
    for option, value in context.options.items():
        if option not in reads:
            yield option
        elif context.constructor not in (*READERS, LRDECAY_LAYER_DECAY) and isinstance(value, Mapping):
            yield from _unread_below(value, option, reads)


def _unread_below(options: Mapping[str, Any], path: str, reads: set[str]) -> Iterator[str]:
    for key, value in options.items():
        inner = f"{path}.{key}"
        if inner not in reads:
            yield inner
        elif isinstance(value, Mapping):
            yield from _unread_below(value, inner, reads)


def meant(context: RuleContext, option: str) -> str | None:
    """The option of this constructor that a mis-spelt one is like, None if it is a known one or like none.

    Of a constructor that lrdecay does not know, what it asked for in vain in the same place: ``custom_keys.head.lr``.
    """
    if context.constructor not in OPTIONS:
        return _asked_instead(context, option)
    if any(option in known for known in OPTIONS.values()):
        return None
    return nearest(option, OPTIONS[context.constructor])


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


def same_here(context: RuleContext, option: str) -> str | None:
    """What this constructor calls an option of another one."""
    other = _SAME.get(option)
    return other if other in OPTIONS.get(context.constructor, ()) and other not in context.options else None


def readers(option: str) -> list[str]:
    """Constructors that read an option."""
    return [constructor for constructor, options in OPTIONS.items() if option in options]


def lost(context: RuleContext, option: str, value: Any) -> tuple[str, ...] | None:
    """Parameters that would stand otherwise if ``option`` were read; None where that cannot be told."""
    if option in _MULTIPLIERS:
        multiplier = _MULTIPLIERS[option]
        fitting = [one.name for one in tensors_met(context.group_map) if multiplier.fit(one).fits]
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
    if option in (*LAYER_DECAY, "layer_decay_rate"):
        rate = context.options.get("decay_rate", context.options.get("layer_decay_rate"))
        return () if rate == 1 else None
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
