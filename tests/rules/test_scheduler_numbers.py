"""Numbers in scheduler settings that no float can represent: Python accepts them, and no rule may fail for them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lrdecay_cli.decay.options import number_or_none
from lrdecay_cli.domain.training import Training
from lrdecay_cli.rules import chosen_rules
from lrdecay_cli.rules.running import findings_of
from tests.group_maps import group_map

TOO_LARGE = 10**400


@pytest.mark.parametrize(
    ("value", "number"),
    [
        pytest.param(12, 12, id="int"),
        pytest.param(0.5, 0.5, id="float"),
        pytest.param(2**1023, 2**1023, id="the largest power of 2 that is a float"),
        pytest.param(2**1024, None, id="the next one"),
        pytest.param(-TOO_LARGE, None, id="below any float"),
        pytest.param(math.inf, None, id="infinite"),
        pytest.param(math.nan, None, id="nan"),
        pytest.param(True, None, id="bool"),
        pytest.param("12", None, id="text"),
        pytest.param(None, None, id="none"),
    ],
)
def test_a_number_is_finite_as_a_float(value: object, number: float | None) -> None:
    assert number_or_none(value) == number
    if isinstance(value, int) and number is None and not isinstance(value, bool):
        with pytest.raises(OverflowError):
            float(value)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"type": "CosineAnnealingLR", "T_max": TOO_LARGE}, id="T_max"),
        pytest.param({"type": "CosineAnnealingLR", "eta_min": TOO_LARGE}, id="eta_min"),
        pytest.param({"type": "CosineAnnealingLR", "end": TOO_LARGE}, id="end"),
        pytest.param({"type": "MultiStepLR", "milestones": [8, TOO_LARGE]}, id="milestones"),
        pytest.param({"type": "MultiStepLR", "milestones": [8], "gamma": TOO_LARGE}, id="gamma"),
        pytest.param({"type": "LinearLR", "start_factor": TOO_LARGE, "end": 2}, id="start_factor"),
        pytest.param({"type": "OneCycleLR", "eta_max": TOO_LARGE}, id="eta_max"),
    ],
)
def test_a_setting_too_large_for_a_float_counts_as_missing(settings: dict[str, Any]) -> None:
    def found(scheduler: dict[str, Any]) -> list[tuple[str, str]]:
        training = Training({}, (scheduler,), {"by_epoch": True, "max_epochs": 12}, {}, None, ())
        groups = {name: {"lr": lr, "parameters": {f"{name}.w": (2, 2)}} for name, lr in (("slow", 0.1), ("fast", 1.0))}
        built = group_map(groups, base_lr=1.0, training=training)
        return [(finding.code, finding.message) for finding in findings_of(built, chosen_rules(["LRD6"], []))]

    given = {
        name: [step for step in value if step != TOO_LARGE] if isinstance(value, list) else value
        for name, value in settings.items()
        if value != TOO_LARGE
    }
    assert found(settings) == found(given)
