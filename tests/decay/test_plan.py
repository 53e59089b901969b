"""Notes of lrdecay's own constructor about unusual settings that it accepts."""

from __future__ import annotations

from typing import Any

import pytest

from lrdecay_cli.decay.model_rules import BackboneClasses, plan_of_model
from lrdecay_cli.decay.rules import TrainingParameter

# The last blocks of a ConvNeXt-T, for which num_layers=6 is correct.
PARAMETERS = [
    TrainingParameter(f"backbone.stages.{stage}.{depth - 1}.gamma", (8,)) for stage, depth in enumerate((3, 3, 9, 3))
]
UNFIT = "paramwise_cfg.num_layers: 12 does not fit the backbone; set 6 or 'auto'"
NOWHERE = "paramwise_cfg.custom_keys['zzz']: matches no parameter name"
UNREAD = "paramwise_cfg.norm_decay_mult: ignored with strict_compat=True, because mmdet's decay constructor ignores it"


@pytest.mark.parametrize(
    ("options", "num_layers", "warnings"),
    [
        *(({}, 6, []), ({"num_layers": 6}, 6, []), ({"num_layers": 12}, 12, [UNFIT])),
        ({"num_layers": 12, "custom_keys": {"zzz": {}, "stages": {"lr_mult": 0.5}}}, 12, [UNFIT, NOWHERE]),
        ({"num_layers": 12, "strict_compat": True, "norm_decay_mult": 0.0}, 12, [UNREAD]),
    ],
)
def test_warnings(options: dict[str, Any], num_layers: int, warnings: list[str]) -> None:
    plan = plan_of_model(
        PARAMETERS,
        {"decay_rate": 0.7, **options},
        lambda _: BackboneClasses(("mmpretrain.ConvNeXt", "ConvNeXt")),
        base_lr=1e-4,
        base_weight_decay=0.05,
    )
    assert (plan.num_layers, [*plan.warnings]) == (num_layers, warnings)
    assert [group.layer_id for group in plan.groups] == [1, 2, 5, num_layers]
