"""Decide which option applies to a parameter, by the rules of mmengine's and mmpretrain's constructors.

The option is a custom key, or a multiplier such as ``norm_decay_mult``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors.multipliers import Multiplier, Target
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules
from lrdecay_cli.decay.options import finite_number
from lrdecay_cli.domain.explanation import Outcome, Part, RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance
from lrdecay_cli.text.spelling import nearest

_OF_A_KEY = ("lr_mult", "decay_mult")


def key_trace(
    about: tuple[Part, ...], key: str, outcome: Outcome, reason: str, *, shortest_counts: bool = False
) -> RuleTrace:
    """Return what ``explain`` shows about a custom key: whether the key applies to a parameter, and why."""
    premise = f"have {key!r} in its name"
    condition = f"{premise}, and no {'shorter' if shortest_counts else 'longer'} key"
    return RuleTrace(about, f"custom_keys[{key!r}]", outcome, reason, condition, premise, "custom_key", key)


def overridden_by(winner: str, key: str) -> str:
    """Return a text that says why ``winner`` overrides ``key``, for example ``by the longer 'norm.weight'``."""
    if len(winner) != len(key):
        return f"by the {'longer' if len(winner) > len(key) else 'shorter'} {winner!r}"
    return f"by {winner!r}: equally long, {'first' if winner < key else 'last'} in the alphabet"


def layer_trace(layer_id: Formula) -> RuleTrace:
    """Return what ``explain`` shows about the rule that gives a parameter its layer id."""
    cause = layer_id.cause
    condition = (
        "have a name that no other rule matches" if layer_id.basis == "fallback" else f"have a name like {cause}"
    )
    return RuleTrace(("layer_id",), layer_id.rule, "applies", condition=condition, basis=layer_id.basis, cause=cause)


def own_step(option: str, given: int | float | None, default: float | None) -> Formula:
    """Return the formula for the lr or weight decay of a group that does not set this value itself.

    The formula gives the value of the config (``given``). If the config sets none, the formula gives the optimizer's
    ``default``. ``option`` is ``base_lr`` or ``base_weight_decay``.
    """
    if given is not None:
        return Formula(option, repr(given), given, {option: given}, "given", expression=option)
    name = option.removeprefix("base_")
    return Formula(
        f"the optimizer's default, because the config sets no {name}", repr(default), default, basis="default"
    )


class OptionPrecedence(ConstructorRules):
    """Decides by the constructor's spec which custom key or multiplier applies to a parameter."""

    def __init__(self, inputs: ConstructorInputs) -> None:
        self.inputs = inputs
        self._reads = inputs.spec.custom_keys
        self._targets: tuple[Part, ...] = self._reads.targets if self._reads else ()
        self._multipliers = inputs.spec.multipliers_set(inputs.options)
        self._base = {"lr": inputs.base_lr, "weight_decay": inputs.base_weight_decay}
        self.effective_multipliers = tuple(known for known in self._multipliers if self._base[known.target] is not None)
        """The multipliers in the config that have an effect. For example, ``flat_decay_mult`` has an effect only if the
        config sets a weight decay.
        """
        given = inputs.options.get("custom_keys")
        self.multipliers_override_keys = bool(self._reads and inputs.options.get(self._reads.override_option))
        """True if multipliers override custom keys, as with ``force_default_settings=True`` of mmpose."""
        read = self._reads and not (self._reads.need_weight_decay and inputs.base_weight_decay is None)
        keys = sorted(sorted(given), key=len, reverse=True) if read and isinstance(given, Mapping) else []
        if self._reads and self._reads.shortest_counts:
            keys.reverse()
        self.keys = tuple(keys)
        """The custom keys in order of precedence. Empty if the constructor ignores custom keys."""

    def matching_keys(self, tensor: Tensor) -> list[str]:
        """Return the custom keys that a parameter's name contains, in order of precedence. The first key applies."""
        name = self._reads.searched_name(tensor) if self._reads else ""
        return [key for key in self.keys if key in name]

    def key_settings(self, key: str) -> Mapping[str, Any]:
        """Return the settings of a custom key, such as ``lr_mult``. Empty if the settings are not a dict."""
        given = self.inputs.options["custom_keys"][key]
        return given if isinstance(given, Mapping) else {}

    def winning_key(self, tensor: Tensor) -> str | None:
        """Return the custom key that applies to the parameter; None if there is none."""
        return next(iter(self.matching_keys(tensor)), None)

    def winning_multiplier(self, tensor: Tensor, target: Target) -> Multiplier | None:
        """Return the multiplier for the lr or weight decay of a parameter; None if no multiplier fits.

        Custom keys are ignored here.
        """
        known = self.effective_multipliers
        fitting = [multiplier for multiplier in known if multiplier.target == target and multiplier.fit(tensor).fits]
        if not fitting:
            return None
        return fitting[-1] if target == "lr" else fitting[0]

    def deciding(self, tensor: Tensor, target: Target) -> tuple[str | None, str | None]:
        """Return the custom key and the multiplier that determine the lr or weight decay.

        At most one of the two applies. A key or multiplier that does not apply is None.
        """
        key = self.winning_key(tensor)
        if key is not None and not self.multipliers_override_keys:
            return key, None
        multiplier = self.winning_multiplier(tensor, target)
        return (key, None) if multiplier is None else (None, multiplier.option)

    def step(self, target: Target, key: str | None, option: str | None) -> Formula:
        """Return the formula for the lr or weight decay of a parameter.

        The custom key ``key`` takes precedence over ``option``. If both are None, the formula gives the base value.
        Operands are in mmengine's order.

        Raises:
            DecayError: a value in the config is not a finite number.
        """
        base_name, base = f"base_{target}", self._base[target]
        own = own_step(base_name, base, self.inputs.default_lr if target == "lr" else self.inputs.default_weight_decay)
        if key is None:
            if option is None or base is None:
                return own
            number = finite_number(self.inputs.options[option], f"paramwise_cfg.{option}")
            product = f"{base_name} * {option}"
            inputs = {base_name: base, option: number}
            return Formula(product, f"{base!r} * {number!r}", base * number, inputs, "option", option, product)
        settings, label = self.key_settings(key), f"custom_keys[{key!r}]"
        if settings.get(target) is not None:
            number = finite_number(settings[target], f"paramwise_cfg.{label}.{target}")
            return Formula(f"{label}.{target}", repr(number), number, {target: number}, "custom_key", key, target)
        if base is None:
            return own
        factor = "lr_mult" if target == "lr" else "decay_mult"
        if settings.get(factor) is None:
            # mmengine and mmpretrain multiply by a default of 1.0 then.
            rule, product = f"{base_name} * 1.0, {label} gives no {factor}", f"{base_name} * 1.0"
            return Formula(rule, f"{base!r} * 1.0", base * 1.0, {base_name: base}, "custom_key", key, product)
        number = finite_number(settings[factor], f"paramwise_cfg.{label}.{factor}")
        rule, inputs = f"{base_name} * {label}.{factor}", {base_name: base, factor: number}
        formula, product = f"{base!r} * {number!r}", f"{base_name} * {factor}"
        return Formula(rule, formula, base * number, inputs, "custom_key", key, product)

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """Return the outcome of each rule that the constructor considers: custom keys first, then multipliers."""
        winner = None if self.multipliers_override_keys else self.winning_key(tensor)
        return (
            *self._keys_considered(tensor),
            *self._multipliers_considered(tensor, "lr", winner),
            *self._multipliers_considered(tensor, "weight_decay", winner),
        )

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """Return a remark for each setting without effect in the custom key that applies to the parameter."""
        key, found = self.winning_key(tensor), []
        for option in () if key is None else self.key_settings(key):
            like = nearest(option, _OF_A_KEY, likeness=0.6)
            if option not in _OF_A_KEY and like:
                found.append(
                    f"custom_keys[{key!r}] sets {option!r}, which is copied into the group and has no effect:"
                    f" did you mean {like!r}?"
                )
            elif option == "lr_mult" and "lr" not in self._targets:
                found.append(f"custom_keys[{key!r}] sets 'lr_mult', which {self.inputs.spec.name} ignores")
        return tuple(found)

    def _keys_considered(self, tensor: Tensor) -> Iterator[RuleTrace]:
        matching = self.matching_keys(tensor)
        shortest = bool(self._reads and self._reads.shortest_counts)
        for key in self.keys:
            outcome: Outcome = "no match"
            if key not in matching:
                reason = _absent(key, tensor)
            elif key == matching[0]:
                yield self._first_key(
                    tensor,
                    key,
                    f"the {'only' if len(matching) == 1 else 'shortest' if shortest else 'longest'} key in the name",
                )
                continue
            else:
                outcome, reason = "overridden", overridden_by(matching[0], key)
            yield key_trace(self._targets, key, outcome, reason, shortest_counts=shortest)

    def _first_key(self, tensor: Tensor, key: str, reason: str) -> RuleTrace:
        assert self._reads is not None
        overriding = {target: self.deciding(tensor, target)[1] for target in self._reads.targets}
        kept: tuple[Part, ...] = tuple(target for target, option in overriding.items() if option is None)
        options = dict.fromkeys(option for option in overriding.values() if option)
        if options:
            reason += f"; {' and '.join(options)} override it: {self._reads.override_option}"
        outcome: Outcome = "applies" if kept else "overridden"
        shortest = self._reads.shortest_counts
        return key_trace(kept or self._targets, key, outcome, reason, shortest_counts=shortest)

    def _multipliers_considered(self, tensor: Tensor, target: Target, key: str | None) -> Iterator[RuleTrace]:
        winner, decided = self.winning_multiplier(tensor, target), False
        for multiplier in self._multipliers:
            if multiplier.target != target:
                continue
            fit, option, premise = multiplier.fit(tensor), multiplier.option, multiplier.condition
            outcome: Outcome = "no match"
            reason = fit.reason
            if self._base[target] is None:
                outcome = "no effect"
                reason = f"the config sets no {target.replace('_', ' ')} to multiply"
            elif key is not None:
                outcome = "skipped"
                reason = f"custom_keys[{key!r}] matches and takes precedence"
                reason += f", although {fit.reason}" if fit.fits else ""
            elif multiplier is winner:
                outcome, decided = "applies", target == "weight_decay"
            elif fit.fits and winner is not None:
                outcome, reason = "overridden", f"{winner.option} comes {'later' if target == 'lr' else 'first'}"
            elif winner is not None and decided:
                outcome, reason = "skipped", f"{winner.option} applied"
            rule, condition = f"{option}={self.inputs.options[option]!r}", f"{premise}{multiplier.exception}"
            yield RuleTrace((target,), rule, outcome, reason, condition, premise, "option", option)


def _absent(key: str, tensor: Tensor) -> str:
    reason = f"{key!r} is not in the name"
    if key in tensor.name:
        return f"{reason}: the constructor sees the name without the model wrapper's 'module.'"
    if key.startswith(".") and tensor.seen.startswith(key[1:]):
        return f"{reason}: the name begins without a dot"
    return reason
