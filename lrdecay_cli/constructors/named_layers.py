"""Layer decay by parameter names and ``num_layers``: common code for mmdet's and similar constructors.

mmseg, mmpose and mmaction use mmdet's formula with other layer names and other exemptions from weight decay. The file
of each constructor defines these names and exemptions as tables. The code here computes and explains groups from the
tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import msgspec

from lrdecay_cli.constructors import mmengine_default
from lrdecay_cli.constructors.layer_names import LayerNames
from lrdecay_cli.constructors.multipliers import dimensions_text
from lrdecay_cli.constructors.precedence import layer_trace
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, LayerDepth
from lrdecay_cli.decay.families import BACKBONE_PREFIX, Family, find_family
from lrdecay_cli.decay.options import DecayError, DecayOptions, finite_number, options_given
from lrdecay_cli.decay.rules import DecayRules, TrainingParameter, sorted_into_groups
from lrdecay_cli.domain.explanation import Outcome, RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Provenance, computed
from lrdecay_cli.domain.training import Module


class Factor(NamedTuple):
    """A factor by which a constructor multiplies the lr scale of some parameters."""

    symbol: str
    """The name of the factor in formulas: the option that sets the factor, or the number in the constructor's code."""
    value: int | float
    reason: str
    """Why the constructor multiplies the lr scale of the parameter by this factor."""


class Exempt(NamedTuple):
    """A rule by which a constructor exempts parameters from weight decay."""

    cause: str
    applies: Callable[[str, tuple[int, ...]], bool]
    """A function that returns True if the rule applies to a parameter. Arguments: full parameter name and shape."""
    condition: str
    """The condition for the rule to apply, as a verb phrase: for example ``be a 1-D tensor``."""
    reason: Callable[[Tensor], str] = lambda tensor: ""


FLAT = Exempt("1-D tensor", lambda name, shape: len(shape) == 1, "be a 1-D tensor", dimensions_text)
BIAS = Exempt("name ends in '.bias'", lambda name, shape: name.endswith(".bias"), "have a name that ends in '.bias'")


def naming(part: str) -> Exempt:
    """Return the rule that exempts parameters with ``part`` in their names from weight decay."""
    return Exempt(f"name contains {part!r}", lambda name, shape: part in name, f"have {part!r} in its name")


@dataclass(frozen=True, slots=True)
class NamedDecay:
    """The layer decay of a constructor that recognises layers by name.

    It consists of rules for layer ids, and of rules that exempt parameters from weight decay.
    """

    layers: tuple[LayerNames, ...]
    exempt: tuple[Exempt, ...]
    """The exemptions from weight decay, in the constructor's order."""
    exemption: Callable[[str, tuple[int, ...], Module | None], str | None] | None = None
    """A function that returns why a parameter is exempt from weight decay, or None.

    Without this function, the first rule in :attr:`exempt` that applies is the reason.
    """
    rate_option: str = "decay_rate"
    factors: Callable[[str, int, int | float, DecayOptions, Mapping[str, Any]], Iterable[Factor]] | None = None
    """A function that yields the further factors of a parameter's lr scale, in the constructor's order.

    Arguments: full parameter name, layer id, lr scale without these factors, options of the layer decay, and
    ``paramwise_cfg``.
    """
    depths_option: str = ""
    """The option with the number of blocks in each stage. Empty if these numbers follow from the parameter names."""
    describe: Callable[[str, Mapping[str, Any]], Iterator[str]] | None = None
    """A function that yields remarks on a parameter. Arguments: full parameter name and ``paramwise_cfg``."""

    @property
    def families(self) -> tuple[Family, ...]:
        """The supported backbone families."""
        return tuple(layers.family for layers in self.layers)

    def make_rules(
        self, inputs: ConstructorInputs, names: Sequence[str], _depth: LayerDepth | None = None
    ) -> ConstructorRules:
        """Return the rules that compute the groups of one model.

        Raises DecayError if the constructor rejects its inputs.
        """
        return _Rules(self, inputs, names)

    def raise_cause(self, inputs: ConstructorInputs, parameters: Sequence[TrainingParameter]) -> None:
        """Raise DecayError with the cause if the constructor cannot build its groups."""
        sorted_into_groups(parameters, self.decay_rules(inputs, (parameter.name for parameter in parameters)))

    def decay_rules(self, inputs: ConstructorInputs, names: Iterable[str]) -> DecayRules:
        """Return the layer-decay rules of the constructor for one model."""
        options = dict(options_given(inputs.options))
        if "decay_type" not in inputs.spec.options:
            options.pop("decay_type", None)
        if self.rate_option != "decay_rate":
            options["decay_rate"] = finite_number(options.get(self.rate_option), f"paramwise_cfg.{self.rate_option}")
        rules = DecayRules.of_model(
            names,
            DecayOptions.from_paramwise_cfg(options),
            backbone_class=inputs.backbone,
            base_lr=inputs.base_lr,
            base_weight_decay=inputs.base_weight_decay,
            families=self.families,
        )
        if self.depths_option:
            depths = _depths_given(inputs.options.get(self.depths_option), f"paramwise_cfg.{self.depths_option}")
            rule = self.layers[0].family.rules[rules.options.decay_type]
            rules = replace(rules, layer_id=partial(rule, num_layers=rules.options.num_layers, depths=depths))
        return replace(rules, exemption=self.exemption or self._cause_of)

    def _cause_of(self, name: str, shape: tuple[int, ...], _module: Module | None) -> str | None:
        return next((each.cause for each in self.exempt if each.applies(name, shape)), None)


class _Rules(ConstructorRules):
    def __init__(self, decay: NamedDecay, inputs: ConstructorInputs, names: Sequence[str]) -> None:
        self._decay = decay
        self._inputs = inputs
        self._rules = decay.decay_rules(inputs, names)
        self._options = self._rules.options
        family = find_family(inputs.backbone or "", decay.families)
        self._layers = next(layers for layers in decay.layers if layers.family is family)
        self._depths = self._layers.family.depths(names, BACKBONE_PREFIX)

    def provenance(self, tensor: Tensor) -> Provenance:
        provenance = self._rules.explain(tensor.seen, tensor.shape)
        factors = tuple(self._factors(tensor.seen, provenance))
        return _multiplied(provenance, factors, self._rules.base_lr) if factors else provenance

    def _factors(self, name: str, provenance: Provenance) -> Iterable[Factor]:
        layer_id, scale = provenance.layer_id, provenance.lr_scale
        if self._decay.factors is None or layer_id is None or scale is None or scale.result is None:
            return ()
        return self._decay.factors(name, int(layer_id.result or 0), scale.result, self._options, self._inputs.options)

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        return (
            *self._layer_rules(tensor),
            *self._scaling(tensor),
            *self._exemptions(tensor),
            *self._never_read(tensor),
        )

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        return (*self._of_layers(tensor, provenance), *self._of_name(tensor.seen))

    def _of_name(self, name: str) -> Iterator[str]:
        if self._decay.describe is not None:
            yield from self._decay.describe(name, self._inputs.options)

    def _of_layers(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        layer_id = provenance.layer_id.result if provenance.layer_id else None
        if layer_id == 0 and not tensor.seen.startswith(BACKBONE_PREFIX):
            return ("the parameter is outside the backbone, but has the stem's layer id and so the lowest lr",)
        blocks = tuple(f"{BACKBONE_PREFIX}{head}" for head in self._layers.heads)
        if not isinstance(layer_id, int) or not tensor.seen.startswith(blocks):
            return ()
        return tuple(self._layers.describe_layers(self._options, self._depths, layer_id))

    def _layer_rules(self, tensor: Tensor) -> Iterator[RuleTrace]:
        order = self._layers.patterns[self._options.decay_type]
        own = tensor.seen.removeprefix(BACKBONE_PREFIX) if tensor.seen.startswith(BACKBONE_PREFIX) else ""
        matching = self._layers.position(tensor.seen)
        for pattern, expression in order[:matching]:
            rule, condition = f"{pattern} -> {expression}", f"have a name like {pattern}"
            yield RuleTrace(("layer_id",), rule, "no match", "another name", condition, basis="name", cause=pattern)
        trace = layer_trace(self._rules.layer_id(tensor.seen))
        if matching == len(order) - 1:
            reason = (
                "no rule above matches: the parameter is in the backbone, but gets the head's layer id"
                if own
                else "the parameter is outside the backbone"
            )
            trace = msgspec.structs.replace(trace, reason=reason)
        yield trace

    def _scaling(self, tensor: Tensor) -> Iterator[RuleTrace]:
        for symbol, value, reason in self._factors(tensor.seen, self._rules.explain(tensor.seen, tensor.shape)):
            rule = f"lr_scale * {symbol}" if symbol == repr(value) else f"lr_scale * {symbol}={value!r}"
            yield RuleTrace(("lr_scale",), rule, "applies", reason, basis="option", cause=symbol)

    def _exemptions(self, tensor: Tensor) -> Iterator[RuleTrace]:
        for known_cause, applies, condition, reason in self._decay.exempt:
            fits = applies(tensor.seen, tensor.shape)
            # mmdet's exemption names the matching one of several names.
            exact = self._rules.exemption(tensor.seen, tensor.shape, None) if fits else None
            cause = exact or known_cause
            outcome: Outcome = "applies" if fits else "no match"
            text = reason(tensor)
            rule = f"{cause} -> 0"
            yield RuleTrace(("weight_decay",), rule, outcome, text, condition, basis="exemption", cause=cause)
            if fits:
                return

    def _never_read(self, tensor: Tensor) -> Iterator[RuleTrace]:
        """Yield a trace for each option of mmengine's default constructor that matches the parameter.

        The outcome of these traces is ``never read``, because the constructor here does not read such options.
        """
        options = self._inputs.options
        keys = options.get("custom_keys")
        if isinstance(keys, Mapping):
            for key in sorted(sorted(keys), key=len, reverse=True):
                if key in tensor.seen:
                    yield _unread(
                        f"custom_keys[{key!r}]",
                        "the key is part of the parameter name, but this constructor ignores custom keys",
                    )
        for multiplier in mmengine_default.SPEC.multipliers:
            fit = multiplier.fit(tensor)
            if options.get(multiplier.option) is not None and fit.fits:
                rule = f"{multiplier.option}={options[multiplier.option]!r}"
                yield _unread(
                    rule,
                    f"{fit.reason}, but only mmengine's default constructor reads this option",
                )


def _multiplied(provenance: Provenance, factors: Sequence[Factor], base_lr: int | float) -> Provenance:
    step = provenance.lr_scale
    assert step is not None
    assert step.result is not None
    expression, formula, scale, inputs = step.expression, step.formula, step.result, dict(step.inputs)
    for symbol, value, _ in factors:
        expression, formula, scale = f"{expression} * {symbol}", f"{formula} * {value!r}", scale * value
        if symbol != repr(value):
            inputs[symbol] = value
    lr_inputs = {"lr_scale": scale, "base_lr": base_lr}
    return msgspec.structs.replace(
        provenance,
        lr_scale=computed(expression, formula, scale, inputs),
        lr=computed("lr_scale * base_lr", f"{scale!r} * {base_lr!r}", scale * base_lr, lr_inputs),
    )


def _depths_given(given: object, where: str) -> tuple[int, ...]:
    if given is None:
        return ()
    if not isinstance(given, Sequence) or not all(type(depth) is int for depth in given):
        fix = "give the number of blocks of each stage, such as [3, 3, 9, 3]"
        raise DecayError(f"{given!r} is not a list of integers", where=where, fix=fix)
    return tuple(given)


def _unread(rule: str, reason: str) -> RuleTrace:
    return RuleTrace(("options",), rule, "never read", reason, basis="option", cause=rule)
