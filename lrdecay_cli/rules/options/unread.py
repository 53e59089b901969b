"""Options of ``paramwise_cfg`` that the constructor never reads, and the parameters that they would change.

lrdecay runs the constructor and records which options it reads. Lists of known options are used only for suggestions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors import CONSTRUCTORS, PUBLISHED, RATE_ELSEWHERE, ConstructorSpec, rate_given
from lrdecay_cli.constructors.recomputation import tensors_met
from lrdecay_cli.rules.api import PARAMWISE, RuleContext, nearest, number_or_none
from lrdecay_cli.rules.options.deleting import MISSPELT


def keys_of(context: RuleContext, option: str) -> tuple[str | int, ...]:
    """Return the path of an option as a tuple of keys, because a key in ``paramwise_cfg`` may contain dots."""

    def below(options: Mapping[str, Any], path: str) -> tuple[str, ...] | None:
        if path in options:
            return (path,)
        for key, value in options.items():
            if isinstance(value, Mapping) and path.startswith(f"{key}."):
                rest = below(value, path.removeprefix(f"{key}."))
                if rest:
                    return (key, *rest)
        return None

    return (*PARAMWISE.split("."), *(below(context.options, option) or (option,)))


def unread_options(context: RuleContext) -> Iterator[str]:
    """Yield the options of ``paramwise_cfg`` that the constructor did not read. An unread dict counts as one option.

    For a constructor that lrdecay knows, entries of ``custom_keys`` are left out, because other rules check them.
    """
    reads = context.group_map.training.reads
    if reads is None or context.spec.options_are_keys:
        return iter(())
    return _unread(context.options, "", {*reads}, below=context.spec.custom_keys is None)


def _unread(options: Mapping[str, Any], path: str, reads: set[str], *, below: bool) -> Iterator[str]:
    for key, value in options.items():
        inner = f"{path}{key}"
        if key in ("_delete_", *MISSPELT):
            continue  # LRD513 reports it.
        if inner not in reads:
            yield inner
        elif below and isinstance(value, Mapping):
            yield from _unread(value, f"{inner}.", reads, below=True)


OF_KEYS = ("lr_mult", "decay_mult", "lr", "weight_decay")


def readers(option: str) -> list[ConstructorSpec]:
    """Return the known constructors that read this option.

    If the option is a decay rate, return every constructor with an option for the decay rate, whatever its name.
    """
    if option in RATE_ELSEWHERE:
        return [spec for spec in CONSTRUCTORS if spec.rate_option]
    return [spec for spec in CONSTRUCTORS if option in spec.options]


def suggest_option(context: RuleContext, option: str) -> str | None:
    """Return the option of this constructor that a misspelt option resembles; None if no option is similar.

    lrdecay does not know the options of a user's own constructor. For such a constructor, it compares the misspelt
    option with the options that the constructor looks up in the same dict. For example, it compares
    ``custom_keys.head.lrr`` with ``custom_keys.head.lr``.
    """
    if context.spec.known:
        # An option of a project without a package, or of a custom key.
        elsewhere = any(option in spec.options for spec in PUBLISHED) or option in OF_KEYS
        return None if elsewhere or readers(option) else nearest(option, context.spec.options)
    training = context.group_map.training
    place, dot, name = option.rpartition(".")
    # An option that it looked up in vain is likelier than one that it found.
    for paths in (training.asked or (), training.reads or ()):
        names = [path.removeprefix(f"{place}{dot}") for path in paths if path.rpartition(".")[0] == place]
        if like := nearest(name, names):
            return f"{place}{dot}{like}"
    return None


def value_of(options: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path within ``options``; None if the path does not exist. Keys may contain dots."""
    if path in options:
        return options[path]
    inner = (
        value_of(value, path.removeprefix(f"{key}."))
        for key, value in options.items()
        if isinstance(value, Mapping) and path.startswith(f"{key}.")
    )
    return next((value for value in inner if value is not None), None)


def parameters_changed_by(context: RuleContext, option: str, value: Any) -> tuple[str, ...] | None:
    """Return the parameters that ``option`` would change if the constructor read it; None if unknown."""
    known = (multiplier for spec in readers(option) for multiplier in spec.multipliers)
    if multiplier := next((multiplier for multiplier in known if multiplier.option == option), None):
        fitting = [tensor.name for tensor in tensors_met(context.group_map) if multiplier.fit(tensor).fits]
        return tuple(_otherwise(context, fitting, {"lr_mult" if multiplier.target == "lr" else "decay_mult": value}))
    if option == "custom_keys" and isinstance(value, Mapping):
        changed: dict[str, None] = {}
        for key, settings in value.items():
            names = [name for name in context.weight_decays if str(key) in name]
            changed.update(dict.fromkeys(_otherwise(context, names, settings if isinstance(settings, Mapping) else {})))
        return tuple(changed)
    if option == "bypass_duplicate":
        # If the model has duplicates, torch refuses to build the optimizer without this option.
        return ()
    if any(option in spec.decay_options for spec in CONSTRUCTORS):
        return () if rate_given(context.options) == 1 else None
    return None


def _otherwise(context: RuleContext, names: Iterable[str], settings: Mapping[str, Any]) -> Iterator[str]:
    base = context.group_map.base_weight_decay or 0.0
    lr_mult, decay_mult = number_or_none(settings.get("lr_mult", 1)), number_or_none(settings.get("decay_mult", 1))
    further = any(key not in ("lr_mult", "decay_mult") for key in settings)
    for name in names:
        weight_decay = context.weight_decays.get(name)
        # A decay mult of 1 changes nothing.
        if weight_decay is not None and (
            lr_mult != 1 or further or decay_mult is None or (decay_mult != 1 and weight_decay != base * decay_mult)
        ):
            yield name
