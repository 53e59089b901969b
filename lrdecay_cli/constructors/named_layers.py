"""Layer decay by the beginning of a parameter's name and by ``num_layers``: mmdet's constructor, and its kin elsewhere.

mmseg, mmpose and mmaction have the formula of mmdet with other names of layers and other exemptions. Their files give
both as tables, by which groups are computed and explained alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from lrdecay_cli.constructors import mmengine_default
from lrdecay_cli.constructors.multipliers import dimensions_text
from lrdecay_cli.constructors.precedence import layer_trace
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, LayerDepth
from lrdecay_cli.decay.families import BACKBONE_PREFIX, ClassNames, Family, find_family
from lrdecay_cli.decay.families.interface import depths_by, index_part, with_the_head
from lrdecay_cli.decay.options import DecayOptions, DecayType, finite_number, options_given
from lrdecay_cli.decay.rules import DecayRules, TrainingParameter, sorted_into_groups
from lrdecay_cli.domain.explanation import Outcome, RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import FALLBACK, Formula, Provenance, by_name
from lrdecay_cli.domain.training import Module

TOKENS = ("cls_token", "mask_token", "pos_embed")
"""Parameters of the backbone itself that all of them put beside the stem."""
TOKENS_PATTERN = (f"{BACKBONE_PREFIX}{{{','.join(TOKENS)}}}", "0")


class LayerNames(NamedTuple):
    """The rules for the layer ids of one family, in the order in which a constructor asks them."""

    family: Family
    heads: tuple[str, ...]
    """How the names within the backbone begin that have a rule of their own, behind the tokens."""
    patterns: Mapping[DecayType, tuple[tuple[str, str], ...]]
    """Pattern and expression of the tokens, of each head, and of everything else."""
    describe_layers: Callable[[DecayOptions, tuple[int, ...], int], Iterator[str]]
    """What is odd about a block's layer id, from options and depths; a sentence each."""


class Exempt(NamedTuple):
    """Parameters that a constructor exempts from weight decay."""

    cause: str
    applies: Callable[[str, tuple[int, ...]], bool]
    """From full name and shape."""
    condition: str
    """What a parameter has to be."""
    reason: Callable[[Tensor], str] = lambda tensor: ""


FLAT = Exempt("1-D tensor", lambda name, shape: len(shape) == 1, "be a 1-D tensor", dimensions_text)
BIAS = Exempt("name ends in '.bias'", lambda name, shape: name.endswith(".bias"), "have a name that ends in '.bias'")


@dataclass(frozen=True, slots=True)
class NamedDecay:
    """A constructor's decay: which names are which layer, and what has no weight decay."""

    layers: tuple[LayerNames, ...]
    exempt: tuple[Exempt, ...]
    """In the order in which they are asked."""
    exemption: Callable[[str, tuple[int, ...], Module | None], str | None] | None = None
    """Gives the cause of an exemption; None for that of :attr:`exempt`."""
    rate_option: str = "decay_rate"

    @property
    def families(self) -> tuple[Family, ...]:
        """The backbones that it serves."""
        return tuple(layers.family for layers in self.layers)

    def make_rules(
        self, inputs: ConstructorInputs, names: Sequence[str], _depth: LayerDepth | None = None
    ) -> ConstructorRules:
        """The formulas for one model. Raises DecayError where the constructor refuses its inputs."""
        return _Rules(self, inputs, names)

    def raise_cause(self, inputs: ConstructorInputs, parameters: Sequence[TrainingParameter]) -> None:
        """Raise DecayError with the cause for which the constructor makes no groups."""
        sorted_into_groups(parameters, self.decay_rules(inputs, (parameter.name for parameter in parameters)))

    def decay_rules(self, inputs: ConstructorInputs, names: Iterable[str]) -> DecayRules:
        """The decay of one model."""
        options = dict(options_given(inputs.options))
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
        return self._rules.explain(tensor.seen, tensor.shape)

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        return (*self._layer_rules(tensor), *self._exemptions(tensor), *self._never_read(tensor))

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        layer_id = provenance.layer_id.result if provenance.layer_id else None
        blocks = tuple(f"{BACKBONE_PREFIX}{head}" for head in self._layers.heads)
        if not isinstance(layer_id, int) or not tensor.seen.startswith(blocks):
            return ()
        return tuple(self._layers.describe_layers(self._options, self._depths, layer_id))

    def _layer_rules(self, tensor: Tensor) -> Iterator[RuleTrace]:
        order = self._layers.patterns[self._options.decay_type]
        own = tensor.seen.removeprefix(BACKBONE_PREFIX) if tensor.seen.startswith(BACKBONE_PREFIX) else ""
        matching = [own in TOKENS, *(own.startswith(head) for head in self._layers.heads), True].index(True)
        for pattern, expression in order[:matching]:
            rule, condition = f"{pattern} -> {expression}", f"have a name like {pattern}"
            yield RuleTrace(("layer_id",), rule, "no match", "another name", condition, basis="name", cause=pattern)
        trace = layer_trace(self._rules.layer_id(tensor.seen))
        if matching == len(order) - 1:
            reason = (
                "no rule above names it: it is the backbone's, but falls through to the head's layer id"
                if own
                else "it is not the backbone's"
            )
            trace = msgspec.structs.replace(trace, reason=reason)
        yield trace

    def _exemptions(self, tensor: Tensor) -> Iterator[RuleTrace]:
        for cause, applies, condition, reason in self._decay.exempt:
            fits = applies(tensor.seen, tensor.shape)
            outcome: Outcome = "applies" if fits else "no match"
            text = reason(tensor)
            rule = f"{cause} -> 0"
            yield RuleTrace(("weight_decay",), rule, outcome, text, condition, basis="exemption", cause=cause)
            if fits:
                return

    def _never_read(self, tensor: Tensor) -> Iterator[RuleTrace]:
        """Options of mmengine's constructor that would be about this parameter."""
        options = self._inputs.options
        keys = options.get("custom_keys")
        if isinstance(keys, Mapping):
            for key in sorted(sorted(keys), key=len, reverse=True):
                if key in tensor.seen:
                    yield _unread(f"custom_keys[{key!r}]", "it is in the name, but this constructor looks for no keys")
        for multiplier in mmengine_default.SPEC.multipliers:
            fit = multiplier.fit(tensor)
            if options.get(multiplier.option) is not None and fit.fits:
                rule = f"{multiplier.option}={options[multiplier.option]!r}"
                yield _unread(rule, f"{fit.reason}, but only mmengine's default constructor asks")


def _unread(rule: str, reason: str) -> RuleTrace:
    return RuleTrace(("options",), rule, "never read", reason, basis="option", cause=rule)


def row_of_blocks(row: str, classes: ClassNames) -> LayerNames:
    """Layer ids of a vision transformer by mmseg, mmpose and mmaction: the stem 0, every block one, all else the head.

    Args:
        row: the list of the blocks in the backbone: ``layers``.
        classes: the backbones that are served so.
    """
    block_pattern = f"{BACKBONE_PREFIX}{row}.<block>"

    def layer_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
        own = name.removeprefix(prefix) if name.startswith(prefix) else ""
        if own in TOKENS:
            return by_name(name, "0", "0", 0)
        if own.startswith("patch_embed"):
            return by_name(f"{prefix}patch_embed", "0", "0", 0)
        if own.startswith(row):
            block = index_part(name, own.split("."), 1, "block")
            return by_name(f"{prefix}{row}.<block>", "block + 1", f"{block} + 1", block + 1, {"block": block})
        return with_the_head(num_layers)

    order = (TOKENS_PATTERN, (f"{BACKBONE_PREFIX}patch_embed", "0"), (block_pattern, "block + 1"))
    return LayerNames(
        family=Family(
            name="vit",
            classes=classes,
            rules={"layer_wise": layer_wise},
            depths=depths_by(rf"{row}\.(\d+)\."),
            fitting_num_layers=sum,
            must_fit=False,
        ),
        heads=("patch_embed", row),
        patterns={"layer_wise": (*order, (FALLBACK, "num_layers + 1"))},
        describe_layers=_describe_blocks,
    )


def _describe_blocks(options: DecayOptions, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    fitting, num_layers = sum(depths), options.num_layers
    yield from describe_top(num_layers, fitting, depths, layer_id)
    if layer_id == fitting < num_layers:
        yield (
            f"there is a gap: the last block lies {num_layers + 1 - fitting} layers below the head;"
            f" num_layers={fitting} fits {fitting} blocks"
        )


def describe_top(num_layers: int, fitting: int, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    """Describe in a sentence a block's layer id at the height of the head or above it."""
    head, fits = num_layers + 1, f"num_layers={fitting} fits depths {depths}"
    if layer_id > head:
        yield (
            f"layer id {layer_id} lies above the head's, num_layers + 1 = {head}: the exponent is negative, and decay"
            f" turns into growth; {fits}"
        )
    elif layer_id == head:
        yield f"a block at the height of the head: num_layers={num_layers} is too small; {fits}"
