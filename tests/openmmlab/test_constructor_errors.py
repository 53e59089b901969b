"""Errors of lrdecay's constructor: one line with the place, the problem and the fix."""

from __future__ import annotations

from typing import Any

import pytest

import tests.openmmlab.plain  # noqa: F401  (silences mmengine's log)
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.training import LayerDecayOptimWrapperConstructor
from tests.openmmlab.constructing import OPTIMIZER, Detector, Plain, Reporting, build, groups_of


class Inconsistent(Plain):
    def get_layer_depth(self, param_name: str, prefix: str = "") -> tuple[int, int]:
        return 0, len(param_name)


class Failing(Plain):
    def get_layer_depth(self, param_name: str, prefix: str = "") -> tuple[int, int]:
        raise NotImplementedError


GIVEN = {"decay_rate": 0.7}
ALLOWED = "num_layers, decay_rate, decay_type, backbone, layers, custom_keys, strict_compat"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "paramwise_cfg: decay_rate is missing; add decay_rate"),
    "an unknown option": (
        {**GIVEN, "custom_key": {}},
        "paramwise_cfg: unknown option 'custom_key'; did you mean 'custom_keys'?",
    ),
    "mmpretrain's name": (
        {"layer_decay_rate": 0.7},
        "paramwise_cfg: unknown option 'layer_decay_rate'; did you mean 'decay_rate'?",
    ),
    "nothing like it": ({**GIVEN, "zzz": 1}, f"paramwise_cfg: unknown option 'zzz'; allowed: {ALLOWED}"),
    "mmengine's": (
        {**GIVEN, "bias_lr_mult": 2.0},
        "paramwise_cfg: 'bias_lr_mult' is an option of mmengine's default constructor, not of lrdecay's constructor;"
        " remove the option, and use custom_keys",
    ),
    "a typo in strict mode": (
        {**GIVEN, "strict_compat": True, "decay_tpye": "stage_wise"},
        "paramwise_cfg: unknown option 'decay_tpye'; did you mean 'decay_type'?",
    ),
    "a typo behind what strict mode passes over": (
        {**GIVEN, "strict_compat": True, "norm_decay_mult": 0.0, "decay_tpye": "stage_wise"},
        "paramwise_cfg: unknown option 'decay_tpye'; did you mean 'decay_type'?",
    ),
    "num_layers": (
        {**GIVEN, "num_layers": "Auto"},
        "paramwise_cfg.num_layers: 'Auto' is not an integer; use an integer such as 12, or 'auto'",
    ),
    "strict_compat": (
        {**GIVEN, "strict_compat": 1},
        "paramwise_cfg.strict_compat: 1 is not a bool; allowed: True, False",
    ),
    "backbone": (
        {**GIVEN, "backbone": "student..backbone"},
        "paramwise_cfg.backbone: 'student..backbone' is not the path of a module;"
        " write 'backbone' or 'student.backbone'",
    ),
    "a setting of a key": (
        {**GIVEN, "custom_keys": {"norm": {"decay_multi": 0.0}}},
        "paramwise_cfg.custom_keys['norm']: unknown setting 'decay_multi'; did you mean 'decay_mult'?",
    ),
    "a number of a key": (
        {**GIVEN, "custom_keys": {"norm": {"lr_mult": "0.1"}}},
        "paramwise_cfg.custom_keys['norm'].lr_mult: '0.1' is not a number; use a finite number such as 0.7",
    ),
    "a key": (
        {**GIVEN, "custom_keys": {"": {}}},
        "paramwise_cfg.custom_keys: the key '' is empty or not a string; use a part of a parameter name as the key",
    ),
    "custom_keys": (
        {**GIVEN, "custom_keys": ["norm"]},
        "paramwise_cfg.custom_keys: ['norm'] is not a dict; write custom_keys={'bbox_head': dict(lr_mult=2.0)}",
    ),
    "layers": (
        {**GIVEN, "layers": "stem"},
        "paramwise_cfg.layers: 'stem' is not a list of regular expressions;"
        r" write layers=['patch_embed', r'blocks\.(\d+)', 'norm'], from the stem up",
    ),
}


@pytest.mark.parametrize("given", ["decay_rate=0.7", ["decay_rate"], 0.7])
def test_options_that_are_no_dict(given: object) -> None:
    with pytest.raises(DecayError) as caught:
        LayerDecayOptimWrapperConstructor({"type": "OptimWrapper", "optimizer": dict(OPTIMIZER)}, given)
    assert str(caught.value) == f"paramwise_cfg: expected a dict, not a {type(given).__name__}; write dict(...)"


@pytest.mark.parametrize(("paramwise_cfg", "line"), REFUSED.values(), ids=REFUSED)
def test_options_that_are_refused(paramwise_cfg: dict[str, Any], line: str) -> None:
    with pytest.raises(DecayError) as caught:
        groups_of(Detector(Plain()), LayerDecayOptimWrapperConstructor, **paramwise_cfg)
    assert str(caught.value) == line


ISOTROPIC = {"type": "ConvNeXt", "arch": {"depths": [18], "channels": [8]}, "out_indices": [0]}
UNFITTING: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no family": (Plain, {}, "paramwise_cfg.layers: the order of the layers of Plain is unknown; list"),
    "num_layers of a list": (
        *(Plain, {"layers": ["stem", r"blocks\.(\d+)", "norm"], "num_layers": 12}),
        "paramwise_cfg.num_layers: num_layers=12 does not fit this backbone, which has 3 layers above its stem;"
        " set num_layers to 3 or to 'auto'",
    ),
    "a name left out": (
        *(Plain, {"layers": ["stem", r"blocks\.(\d+)"]}),
        "paramwise_cfg.layers: no pattern matches backbone.norm.weight, backbone.norm.bias;"
        " add patterns that match these parameters",
    ),
    "a pattern for nothing": (
        *(Plain, {"layers": ["stem", "backbone.blocks", "blocks", "norm"]}),
        "paramwise_cfg.layers[1]: 'backbone.blocks' matches no parameter of the backbone;"
        " write a pattern for the beginning of a parameter name, without the prefix 'backbone.'",
    ),
    "a group of letters": (
        *(Plain, {"layers": ["(stem|norm)", r"blocks\.(\d+)"]}),
        "paramwise_cfg.layers[0]: a regex group of '(stem|norm)' does not match an integer in backbone.stem.weight;"
        r" use groups only for numbers, as (\d+), and (?:…) for the rest",
    ),
    "no pattern": (
        *(Plain, {"layers": ["("]}),
        "paramwise_cfg.layers[0]: '(' is not a regular expression (missing ), unterminated subpattern at position 0)",
    ),
    "isotropic": (
        *(lambda: build(ISOTROPIC, "mmpretrain"), {}),
        "paramwise_cfg.layers: this ConvNeXt has 1 stages, but the rules of the family convnext expect 4;",
    ),
    "stages of reported layers": (
        *(Reporting, {"decay_type": "stage_wise"}),
        "paramwise_cfg.decay_type: 'stage_wise' is not available for Reporting:"
        " its get_layer_depth reports no stages; allowed",
    ),
    "num_layers of reported layers": (
        *(Reporting, {"num_layers": 3}),
        "paramwise_cfg.num_layers: num_layers=3 does not fit this backbone, which has 2 layers above its stem;"
        " set num_layers to 2",
    ),
    "reports that disagree": (
        *(Inconsistent, {}),
        "paramwise_cfg.backbone: Inconsistent.get_layer_depth must return the same number of layers for every"
        " parameter, but returns 20 for",
    ),
    "a report that fails": (
        *(Failing, {}),
        "paramwise_cfg.backbone: Failing.get_layer_depth fails for backbone.stem.weight (NotImplementedError: );",
    ),
    "a product beyond floats": (
        *(Reporting, {"custom_keys": {"stem": {"lr_mult": 1e308}}, "decay_rate": 10}),
        "backbone.stem.weight: lr scale 1000 times lr_mult 1e+308 is too large for a float;"
        " set a smaller lr_mult in paramwise_cfg.custom_keys['stem']",
    ),
}


@pytest.mark.parametrize(("backbone", "options", "line"), UNFITTING.values(), ids=UNFITTING)
def test_values_that_do_not_fit_the_model(backbone: Any, options: dict[str, Any], line: str) -> None:
    with pytest.raises(DecayError) as caught:
        groups_of(Detector(backbone()), LayerDecayOptimWrapperConstructor, **{**GIVEN, **options})
    assert str(caught.value).startswith(line)
