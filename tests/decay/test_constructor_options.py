"""Single options of lrdecay's own constructor."""

from __future__ import annotations

from typing import Any

import pytest

from lrdecay_cli.decay.constructor_options import ConstructorOptions, CustomKey
from lrdecay_cli.decay.options import DecayError, DecayOptions


def test_given_and_default_options() -> None:
    usual = ConstructorOptions.from_paramwise_cfg({"decay_rate": 0.7})
    assert usual == ConstructorOptions(0.7, "auto", "layer_wise", "backbone", (), (), False, ())
    given = ConstructorOptions.from_paramwise_cfg(
        {
            "decay_rate": 2,
            "num_layers": 6,
            "decay_type": "stage_wise",
            "backbone": "student.backbone",
            "layers": ["stem", r"blocks\.(\d+)"],
            "custom_keys": {"norm": {"decay_mult": 0.0}},
        }
    )
    keys = (CustomKey("norm", None, 0.0),)
    layers = ("stem", r"blocks\.(\d+)")
    assert given == ConstructorOptions(2, 6, "stage_wise", "student.backbone", layers, keys, False, ())
    assert (usual.prefix, given.prefix) == ("backbone.", "student.backbone.")
    assert given.with_layers(12) == DecayOptions(12, 2, "stage_wise")


def test_strict_mode_ignores_options_that_mmdet_ignores() -> None:
    given = {"norm_decay_mult": 0.0, "decay_rate": 0.7, "strict_compat": True, "bypass_duplicate": True}
    options = ConstructorOptions.from_paramwise_cfg(given)
    assert options.strict_compat
    assert options.passed_over == ("norm_decay_mult", "bypass_duplicate")


@pytest.mark.parametrize("layers", [[], (), ["stem", 1], [None], "stem", None, {"stem": 1}])
def test_layers_are_a_list_of_regular_expressions(layers: Any) -> None:
    with pytest.raises(DecayError) as caught:
        ConstructorOptions.from_paramwise_cfg({"decay_rate": 0.7, "layers": layers})
    assert caught.value.where == "paramwise_cfg.layers"
    assert caught.value.problem == f"{layers!r} is not a list of regular expressions"


@pytest.mark.parametrize("backbone", ["", ".", "a.", ".a", "a..b", None, 1, ["a"]])
def test_a_backbone_is_a_path(backbone: Any) -> None:
    with pytest.raises(DecayError) as caught:
        ConstructorOptions.from_paramwise_cfg({"decay_rate": 0.7, "backbone": backbone})
    assert caught.value.where == "paramwise_cfg.backbone"


@pytest.mark.parametrize(
    ("setting", "fix"),
    [("decay_multi", "did you mean 'decay_mult'?"), ("zzz", "allowed: lr_mult, decay_mult")],
)
def test_a_key_sets_multipliers_alone(setting: str, fix: str) -> None:
    with pytest.raises(DecayError) as caught:
        ConstructorOptions.from_paramwise_cfg({"decay_rate": 0.7, "custom_keys": {"norm": {setting: 1}}})
    problem = f"unknown setting {setting!r}"
    assert str(caught.value) == f"paramwise_cfg.custom_keys['norm']: {problem}; {fix}"
