"""mmdet's ``LearningRateDecayOptimizerConstructor``: layer ids of ConvNeXt by name, and options that it never reads.

Source: mmdet 3.3.0, ``mmdet/engine/optimizers/layer_decay_optimizer_constructor.py``; the numbers are those of
:class:`DecayRules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from lrdecay_cli.constructors import mmengine_default
from lrdecay_cli.constructors.multipliers import dimensions_text
from lrdecay_cli.constructors.precedence import layer_trace
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, ConstructorSpec
from lrdecay_cli.decay.families import BACKBONE_PREFIX, MMDET_FAMILIES, convnext
from lrdecay_cli.decay.options import DecayOptions, DecayType
from lrdecay_cli.decay.parameter_kinds import UNDECAYED_NAMES
from lrdecay_cli.decay.rules import DecayRules, TrainingParameter, sorted_into_groups
from lrdecay_cli.domain.explanation import Outcome, RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import FALLBACK, Provenance
from lrdecay_cli.text.counting import either

_TOKENS = (f"{BACKBONE_PREFIX}{{{','.join(convnext.TOKENS)}}}", "0")
_ORDER: Mapping[DecayType, tuple[tuple[str, str], ...]] = {
    "layer_wise": (
        _TOKENS,
        ("backbone.downsample_layers.<stage>", "0, 2, 3, num_layers"),
        ("backbone.stages.<stage>.<block>", "1, 2, 3 + block // 3, num_layers"),
        (FALLBACK, "num_layers + 1"),
    ),
    "stage_wise": (
        _TOKENS,
        ("backbone.downsample_layers", "0"),
        ("backbone.stages.<stage>", "stage + 1"),
        (FALLBACK, "(num_layers + 2) - 1"),
    ),
}
"""The rules for the layer id, in the order in which they are asked: pattern and expression."""
_HEADS = ("downsample_layers", "stages")
_BLOCKS = tuple(f"{BACKBONE_PREFIX}{head}" for head in _HEADS)


class _Rules(ConstructorRules):
    def __init__(self, inputs: ConstructorInputs, names: Sequence[str]) -> None:
        self._inputs = inputs
        self._rules = _decay_rules(inputs, names)
        self._options = self._rules.options
        self._depths = convnext.FAMILY.depths(names, BACKBONE_PREFIX)

    def provenance(self, tensor: Tensor) -> Provenance:
        return self._rules.explain(tensor.seen, tensor.shape)

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        return (*self._layer_rules(tensor), *_exemptions(tensor), *self._never_read(tensor))

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        layer_id = provenance.layer_id.result if provenance.layer_id else None
        if not isinstance(layer_id, int) or not tensor.seen.startswith(_BLOCKS):
            return ()
        num_layers, depths = self._options.num_layers, self._depths
        if self._options.decay_type == "layer_wise":
            return tuple(_of_layers(num_layers, convnext.FAMILY.fitting_num_layers(depths), depths, layer_id))
        stages, below = len(depths), num_layers + 1 - len(depths)
        if not stages or not 0 <= layer_id <= stages or below == 1:
            return ()
        return (
            f"stage_wise numbers the stages up to {stages}, but num_layers={num_layers} still sets the exponent: the"
            f" last stage counts as {below} layers below the head; num_layers={stages} would make it one",
        )

    def _layer_rules(self, tensor: Tensor) -> Iterator[RuleTrace]:
        order = _ORDER[self._options.decay_type]
        own = tensor.seen.removeprefix(BACKBONE_PREFIX) if tensor.seen.startswith(BACKBONE_PREFIX) else ""
        matching = [own in convnext.TOKENS, *(own.startswith(head) for head in _HEADS), True].index(True)
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


def _exemptions(tensor: Tensor) -> Iterator[RuleTrace]:
    whole, named = either(map(repr, UNDECAYED_NAMES)), tensor.seen in UNDECAYED_NAMES
    never = f"the whole name is compared, and that is {tensor.seen!r}: inside a backbone this can never match"
    asked = (
        ("1-D tensor", len(tensor.shape) == 1, dimensions_text(tensor), "be a 1-D tensor"),
        ("name ends in '.bias'", tensor.seen.endswith(".bias"), "", "have a name that ends in '.bias'"),
        (
            f"name is {whole}",
            named,
            never if tensor.own in UNDECAYED_NAMES and not named else "",
            f"be named just {whole}",
        ),
    )
    for cause, applies, reason, condition in asked:
        outcome: Outcome = "applies" if applies else "no match"
        yield RuleTrace(("weight_decay",), f"{cause} -> 0", outcome, reason, condition, basis="exemption", cause=cause)
        if applies:
            return


def _of_layers(num_layers: int, fitting: int, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    head, fits = num_layers + 1, f"num_layers={fitting} fits depths {depths}"
    if layer_id > head:
        yield (
            f"layer id {layer_id} lies above the head's, num_layers + 1 = {head}: the exponent is negative, and decay"
            f" turns into growth; {fits}"
        )
    elif layer_id == head:
        yield f"a block at the height of the head: num_layers={num_layers} is too small; {fits}"
    elif num_layers > fitting and layer_id in (fitting - 1, num_layers):
        yield (
            f"there is a gap: no layer has the ids {fitting} to {num_layers - 1}, so that stage 2 ends"
            f" {num_layers - fitting + 1} layers below the last stage; {fits}"
        )


def _decay_rules(inputs: ConstructorInputs, names: Iterable[str]) -> DecayRules:
    return DecayRules.of_model(
        names,
        DecayOptions.from_paramwise_cfg(inputs.options),
        backbone_class=inputs.backbone,
        base_lr=inputs.base_lr,
        base_weight_decay=inputs.base_weight_decay,
        families=MMDET_FAMILIES,
    )


def _raise_cause(inputs: ConstructorInputs, parameters: Sequence[TrainingParameter]) -> None:
    sorted_into_groups(parameters, _decay_rules(inputs, (parameter.name for parameter in parameters)))


SPEC = ConstructorSpec(
    name="LearningRateDecayOptimizerConstructor",
    project="mmdet",
    package="mmdet",
    scope="mmdet",
    short="mmdet layer decay",
    lr_from="layers",
    options=("decay_rate", "num_layers", "decay_type"),
    rate_option="decay_rate",
    num_layers="family",
    families=MMDET_FAMILIES,
    first_stage_is_a_layer=True,
    rest_is_head=True,
    exempt_names=UNDECAYED_NAMES,
    exempting="MMDetection's constructor exempts 1-D parameters alone: exempt these in one of your own",
    make_rules=lambda inputs, names, _depth: _Rules(inputs, names),
    raise_cause=_raise_cause,
)
