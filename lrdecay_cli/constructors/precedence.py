"""``custom_keys`` and multipliers weighed against each other, as mmengine's and mmpretrain's constructors both do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lrdecay_cli.constructors.multipliers import Fit, Multiplier, Target
from lrdecay_cli.constructors.spec import ConstructorInputs
from lrdecay_cli.domain.explanation import Outcome, Part, RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.text.spelling import nearest

_OF_A_KEY = ("lr_mult", "decay_mult")


def key_trace(about: tuple[Part, ...], key: str, outcome: Outcome, reason: str) -> RuleTrace:
    """What became of a key for a parameter."""
    premise = f"have {key!r} in its name"
    condition = f"{premise}, and no longer key"
    return RuleTrace(about, f"custom_keys[{key!r}]", outcome, reason, condition, premise, "custom_key", key)


def lost_to(winner: str, key: str) -> str:
    """Why a key loses to another one that is in the name too."""
    if len(winner) > len(key):
        return f"to the longer {winner!r}"
    return f"to {winner!r}, as long and first in the alphabet"


class OptionPrecedence:
    """What decides about a parameter: a key, or the multipliers, as the spec of the constructor says."""

    def __init__(self, inputs: ConstructorInputs) -> None:
        self.inputs = inputs
        self._reads = inputs.spec.custom_keys
        self._targets: tuple[Part, ...] = self._reads.targets if self._reads else ()
        self._multipliers = inputs.spec.multipliers_set(inputs.options)
        self.keys = tuple(self._in_order())
        """The keys in the order in which the constructor tries them: none where it looks for none."""

    def _in_order(self) -> list[str]:
        given = self.inputs.options.get("custom_keys")
        if self._reads is None or not isinstance(given, Mapping):
            return []
        if self._reads.need_weight_decay and self.inputs.base_weight_decay is None:
            return []
        return sorted(sorted(given), key=len, reverse=True)

    @property
    def effective_multipliers(self) -> tuple[Multiplier, ...]:
        """Those that are set and have something to multiply: no ``flat_decay_mult`` without a weight decay."""
        return tuple(known for known in self._multipliers if self._has_base(known))

    def matching_keys(self, tensor: Tensor) -> list[str]:
        """The keys that are in a parameter's name, in their order: the first one counts."""
        name = self._reads.searched_name(tensor) if self._reads else ""
        return [key for key in self.keys if key in name]

    def key_settings(self, key: str) -> Mapping[str, Any]:
        """What the config says for a key; empty if that is no dict."""
        given = self.inputs.options["custom_keys"][key]
        return given if isinstance(given, Mapping) else {}

    def winning_key(self, tensor: Tensor) -> str | None:
        """The key that the parameter goes by, None if there is none."""
        return next(iter(self.matching_keys(tensor)), None)

    def winning_multiplier(self, tensor: Tensor, target: Target) -> Multiplier | None:
        """The option that multiplies the lr or weight decay of a parameter that goes by no key."""
        fitting = [
            multiplier
            for multiplier in self.effective_multipliers
            if multiplier.target == target and multiplier.fit(tensor).fits
        ]
        if not fitting:
            return None
        return fitting[-1] if target == "lr" else fitting[0]

    def key_option(self, key: str, option: str) -> Any:
        """What the config says for a key under an option, None if nothing."""
        return self.key_settings(key).get(option)

    def considered(self, tensor: Tensor) -> Iterator[RuleTrace]:
        """Keys first, longest first, then the multipliers."""
        winner = self.winning_key(tensor)
        yield from self._keys_considered(tensor, winner)
        for target in ("lr", "weight_decay"):
            yield from self._multipliers_considered(tensor, target, winner)

    def remarks(self, tensor: Tensor) -> Iterator[str]:
        """Settings of the key that nobody uses."""
        key = self.winning_key(tensor)
        if key is None:
            return
        for option in self.key_settings(key):
            meant = nearest(option, _OF_A_KEY, likeness=0.6)
            if option not in _OF_A_KEY and meant:
                yield (
                    f"custom_keys[{key!r}] sets {option!r}, which is copied into the group and multiplies nothing:"
                    f" did you mean {meant!r}?"
                )
            elif option == "lr_mult" and "lr" not in self._targets:
                yield f"custom_keys[{key!r}] sets 'lr_mult', which {self.inputs.spec.name} does not use"

    def _keys_considered(self, tensor: Tensor, winner: str | None) -> Iterator[RuleTrace]:
        matching = self.matching_keys(tensor)
        for key in self.keys:
            if key == winner:
                only = len(matching) == 1
                reason = "the only key in the name" if only else "the longest key in the name"
                yield key_trace(self._targets, key, "applies", reason)
            elif key in matching:
                yield key_trace(self._targets, key, "lost", lost_to(str(winner), key))
            else:
                yield key_trace(self._targets, key, "no match", _absent(key, tensor))

    def _multipliers_considered(self, tensor: Tensor, target: Target, key: str | None) -> Iterator[RuleTrace]:
        winner = self.winning_multiplier(tensor, target)
        done: Sequence[str] = [multiplier.option for multiplier in self._multipliers if multiplier.target == target]
        for multiplier in self._multipliers:
            if multiplier.target != target:
                continue
            fit = multiplier.fit(tensor)
            option, premise = multiplier.option, multiplier.condition
            rule, condition = f"{option}={self.inputs.options[option]!r}", f"{premise}{multiplier.exception}"
            outcome = RuleTrace((target,), rule, "no match", fit.reason, condition, premise, "option", option)
            if not self._has_base(multiplier):
                what = target.replace("_", " ")
                outcome = _but(outcome, "no effect", f"the config gives the optimizer no {what} to multiply")
            elif key is not None:
                outcome = _but(outcome, "passed over", _taken(key, fit))
            elif multiplier is winner:
                outcome = _but(outcome, "applies", fit.reason)
            elif fit.fits and winner is not None:
                outcome = _but(outcome, "lost", f"{winner.option} comes {'later' if target == 'lr' else 'first'}")
            elif winner is not None and target == "weight_decay" and _later(multiplier, winner, done):
                outcome = _but(outcome, "passed over", f"{winner.option} applied")
            yield outcome

    def _has_base(self, multiplier: Multiplier) -> bool:
        inputs = self.inputs
        return (inputs.base_lr if multiplier.target == "lr" else inputs.base_weight_decay) is not None


def _absent(key: str, tensor: Tensor) -> str:
    reason = f"{key!r} is not in the name"
    if key in tensor.name:
        return f"{reason}, which the constructor sees without the wrapper's 'module.'"
    if key.startswith(".") and tensor.seen.startswith(key[1:]):
        return f"{reason}, which begins without a dot"
    return reason


def _taken(key: str, fit: Fit) -> str:
    reason = f"custom_keys[{key!r}] matched, and a key takes precedence"
    return f"{reason}, although {fit.reason}" if fit.fits else reason


def _later(multiplier: Multiplier, winner: Multiplier, order: Sequence[str]) -> bool:
    return order.index(multiplier.option) > order.index(winner.option)


def _but(considered: RuleTrace, outcome: Any, reason: str) -> RuleTrace:
    return msgspec.structs.replace(considered, outcome=outcome, reason=reason)
