"""UniRepLKNet's ``UniRepLKNetLearningRateDecayOptimizerConstructor``: layer ids of ConvNeXt, and a factor for large
kernels.

Source: UniRepLKNet (AILab-CVC/UniRepLKNet, 2025-08),
``detection/mmcv_custom/unireplknet_layer_decay_optimizer_constructor.py``. This file is written for mmcv 1. With
imports from mmengine instead, the same code builds the same groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lrdecay_cli.constructors.mmdet_layer_decay import CONVNEXT, EXEMPT
from lrdecay_cli.constructors.named_layers import Factor, NamedDecay
from lrdecay_cli.constructors.spec import ConstructorSpec
from lrdecay_cli.decay.families import ClassNames
from lrdecay_cli.decay.options import DecayOptions, finite_number
from lrdecay_cli.decay.parameter_kinds import UNDECAYED_NAMES, mmdet_exemption

_FACTOR, _KERNELS = "dw_scale", "dwconv"


def _factors(
    name: str, layer_id: int, scale: int | float, decay: DecayOptions, options: Mapping[str, Any]
) -> Iterator[Factor]:
    value = finite_number(options.get(_FACTOR, 1), f"paramwise_cfg.{_FACTOR}")
    if value != 1 and _KERNELS in name:
        yield Factor(_FACTOR, value, f"{_KERNELS!r} is in the parameter name")


_ANY_CONVNEXT = CONVNEXT._replace(family=replace(CONVNEXT.family, classes=ClassNames(("",), within=True)))
_DECAY = NamedDecay(layers=(_ANY_CONVNEXT,), exempt=EXEMPT, exemption=mmdet_exemption, factors=_factors)

SPEC = ConstructorSpec(
    name="UniRepLKNetLearningRateDecayOptimizerConstructor",
    project="UniRepLKNet",
    package="",
    short="UniRepLKNet layer decay",
    lr_from="layers",
    options=("decay_rate", "num_layers", "decay_type", _FACTOR),
    rate_option="decay_rate",
    num_layers="family",
    first_stage_is_a_layer=True,
    rest_is_head=True,
    exempt_names=UNDECAYED_NAMES,
    exempting="exempt these parameters from weight decay in your own constructor:"
    " UniRepLKNet's constructor exempts only 1-D parameters",
    make_rules=_DECAY.make_rules,
    raise_cause=_DECAY.raise_cause,
)
