"""mmyolo's constructors for YOLOv5 and YOLOv7: three groups for weights, norms and biases, without layer decay.

Source: mmyolo 0.6.0, ``mmyolo/engine/optimizers/yolov5_optim_constructor.py`` and
``yolov7_optim_wrapper_constructor.py``. Only the group of weights uses the weight decay in the config, which mmyolo
scales with the batch size. The other groups have the optimizer's default: 0 for SGD, 0.01 for AdamW. Frozen parameters
are in the groups too. Parameters that are neither weight nor bias are in no group. Each formula has the same order of
operations as in mmyolo, so the results are equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lrdecay_cli.constructors.precedence import own_step
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, ConstructorSpec
from lrdecay_cli.decay.options import DecayError, finite_number
from lrdecay_cli.decay.rules import OPTIMIZER
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance

_SIZE, _BASE = "batch_size_per_gpu", "base_total_batch_size"
_DEFAULT_BASE = 64
_NOT_NORMALISING_BATCHES = ("GroupNorm", "LayerNorm")

Kind = Literal["bias", "weight of a batch norm", "implicit knowledge", "weight"]
_CONDITIONS: dict[Kind, str] = {
    "bias": "be a bias",
    "weight of a batch norm": "be the weight of a batch or instance norm",
    "implicit knowledge": "be the parameter 'implicit' of an ImplicitA or ImplicitM module",
    "weight": "be the weight of a module other than a batch or instance norm",
}


def _kind_of(tensor: Tensor) -> Kind | None:
    if tensor.own == "bias":
        return "bias"
    if tensor.own == "implicit" and tensor.module_type in ("ImplicitA", "ImplicitM"):
        return "implicit knowledge"
    if tensor.own != "weight":
        return None
    of_batches = "norm" in tensor.traits and not any(each in tensor.module_type for each in _NOT_NORMALISING_BATCHES)
    return "weight of a batch norm" if of_batches else "weight"


class _Rules(ConstructorRules):
    def __init__(self, inputs: ConstructorInputs, kinds: Sequence[Kind]) -> None:
        self._kinds = kinds
        self._lr = own_step("base_lr", inputs.base_lr, inputs.default_lr)
        self._decay = _weight_decay(inputs)

    def provenance(self, tensor: Tensor) -> Provenance:
        kind, group = _kind_of(tensor), tensor.group
        if kind not in self._kinds:
            raise DecayError("the parameter is neither a weight nor a bias", where=tensor.name)
        if kind == "weight":
            return Provenance(None, None, self._lr, self._decay)
        if group is None:
            raise DecayError("the optimizer's default weight decay is unknown", where=tensor.name)
        own = group.weight_decay
        rule = f"{kind} -> the optimizer's default"
        return Provenance(None, None, self._lr, Formula(rule, repr(own), own, basis="default"))

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        found, traces = _kind_of(tensor), []
        for kind in self._kinds:
            rule = self._decay.rule if kind == "weight" else f"{kind} -> the optimizer's default"
            basis = self._decay.basis if kind == "weight" else "default"
            outcome: Literal["applies", "no match"] = "applies" if kind == found else "no match"
            reason = _reason(tensor)
            traces.append(
                RuleTrace(("weight_decay",), rule, outcome, reason, _CONDITIONS[kind], basis=basis, cause=kind)
            )
        return tuple(traces)


def _reason(tensor: Tensor) -> str:
    return f"the parameter is the {tensor.own} of a {tensor.module_type}"


def _weight_decay(inputs: ConstructorInputs) -> Formula:
    """Return the formula for the weight decay of the weights.

    mmyolo multiplies the weight decay in the config by (GPUs × batch size × accumulated batches) / base batch size.
    """
    own = inputs.base_weight_decay or 0
    if inputs.base_weight_decay is None:
        base = Formula("weight -> 0, because the config sets no weight decay", "0", 0, basis="default")
    else:
        base_name = "base_weight_decay"
        base = Formula(f"weight -> {base_name}", repr(own), own, {base_name: own}, "given", expression=base_name)
    if inputs.optimizer.get(_SIZE) is None:
        return base
    size = finite_number(inputs.optimizer[_SIZE], f"{OPTIMIZER}.{_SIZE}")
    base_size = finite_number(inputs.options.get(_BASE, _DEFAULT_BASE), f"paramwise_cfg.{_BASE}")
    total = inputs.gpus * size
    if not total or not base_size:
        raise DecayError("the batch size must be above 0", where=f"{OPTIMIZER}.{_SIZE}")
    accumulate = max(round(base_size / total), 1)
    expression = f"base_weight_decay * (gpus * {_SIZE} * accumulate / {_BASE})"
    return Formula(
        f"weight -> {expression}",
        f"{own!r} * ({inputs.gpus} * {size!r} * {accumulate} / {base_size!r})",
        own * (inputs.gpus * size * accumulate / base_size),
        {"base_weight_decay": own, "gpus": inputs.gpus, _SIZE: size, "accumulate": accumulate, _BASE: base_size},
        expression=expression,
    )


YOLOV5_SPEC = ConstructorSpec(
    name="YOLOv5OptimizerConstructor",
    project="mmyolo",
    package="mmyolo",
    scope="mmyolo",
    short="mmyolo YOLOv5",
    lr_from="kinds",
    options=(_BASE,),
    makes_groups_without_options=True,
    exempting=(
        "exempt these parameters from weight decay in your own constructor:"
        " mmyolo's constructor sets weight decay only for weights outside"
        " batch norms; all other parameters have the optimizer's default (0 for SGD)"
    ),
    make_rules=lambda inputs, _names, _depth: _Rules(inputs, ("bias", "weight of a batch norm", "weight")),
)
YOLOV7_SPEC = ConstructorSpec(
    name="YOLOv7OptimWrapperConstructor",
    project="mmyolo",
    package="mmyolo",
    scope="mmyolo",
    short="mmyolo YOLOv7",
    lr_from="kinds",
    options=(_BASE,),
    makes_groups_without_options=True,
    exempting=YOLOV5_SPEC.exempting,
    make_rules=lambda inputs, _names, _depth: _Rules(
        inputs, ("implicit knowledge", "weight of a batch norm", "weight", "bias")
    ),
)
