"""Reports of ``explain``: a reviewed golden file, and properties of every report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.explaining.report import explanation
from lrdecay_cli.analysis.explaining.why_not import why_not
from lrdecay_cli.analysis.selection import select
from lrdecay_cli.constructors import OURS
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.explanation import Explanation
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Constructor, Training
from lrdecay_cli.openmmlab.audit import audit
from tests.analysis.wild_bugs import BUGS, GOLDEN, answer, answers, config_of, group_map_of
from tests.golden import Golden
from tests.group_maps import group_map
from tests.recomputing import assert_explained, assert_recomputes

UNKNOWN = "a constructor that lrdecay does not know"


def expected() -> dict[str, str]:
    parts = GOLDEN.read_text(encoding="utf-8").split("======== ")[1:]
    return {title: text.rstrip("\n") for title, _, text in (part.partition(" ========\n") for part in parts)}


def test_golden_file_has_every_bug(golden: Golden) -> None:
    if golden.update:
        golden.check_text(GOLDEN, answers())
    assert [*expected()] == [*BUGS]


@pytest.mark.parametrize("title", BUGS)
def test_cause_is_named(title: str) -> None:
    assert answer(title).rstrip("\n") == expected()[title]


@pytest.mark.parametrize("title", [title for title in BUGS if title != UNKNOWN])
def test_every_parameter_of_a_bug_is_explained(title: str) -> None:
    assert_recomputes(group_map_of(title))
    assert_explained(group_map_of(title))


def explained(found: GroupMap, pattern: str) -> list[Explanation]:
    return Explainer(found).explain(select(found, pattern, duplicates=True))


def test_a_number_that_the_rules_do_not_give_is_a_disagreement() -> None:
    real = group_map_of("overflow")
    changed = [msgspec.structs.replace(group, lr=1.5) if i == 0 else group for i, group in enumerate(real.groups)]
    found = msgspec.structs.replace(real, groups=tuple(changed))
    (other,) = explained(found, f"{real.groups[0].parameters[0].name}")
    assert other.certainty == "disagrees"
    assert other.certainty_reason.startswith("in the real group lr is 1.5, but lrdecay's rules give 8.2")
    assert "1 disagrees" in explanation(found, (real.groups[0].parameters[0].name,)).report.summary


def test_a_map_without_provenance_is_observed_only() -> None:
    found = group_map({"group_0": {"parameters": {"conv.weight": (2, 2), "conv.bias": (2,)}}})
    (explanation,) = explained(msgspec.structs.replace(found, constructor=Constructor("MyOwn", {})), "*")
    assert (explanation.certainty, explanation.provenance) == ("observed", None)
    assert explanation.certainty_reason == "lrdecay does not know the rules of MyOwn"


def test_unusable_settings_are_reported() -> None:
    options = {"num_layers": "six", "decay_rate": 0.7}
    found = group_map(
        {"group_0": {"parameters": {"conv.weight": (2, 2)}}},
        constructor=Constructor("LearningRateDecayOptimizerConstructor", options),
    )
    (explanation,) = explained(found, "*")
    assert explanation.certainty == "observed"
    assert "paramwise_cfg.num_layers: 'six' is not an integer" in explanation.certainty_reason


def test_folding_joins_only_equal_explanations() -> None:
    found = group_map_of("overflow")
    folded = Explainer(found).explain(select(found, None))
    apart = Explainer(found).explain(select(found, None), folded=False)
    assert sum(len(each.parameters) for each in folded) == len(apart) == found.model.totals.tensors
    by_name = {each.parameters[0]: each for each in apart}
    for together in folded:
        for name in together.parameters:
            explanation = by_name[name]
            assert (explanation.considered, explanation.provenance, explanation.numbers) == (
                together.considered,
                together.provenance,
                together.numbers,
            )


WHY_NOT: dict[str, tuple[str, str, str, list[tuple[str, str]]]] = {
    "another block of the same rule": (
        "overflow",
        "backbone.stages.2.3.norm.bias",
        "layer_11_no_decay",
        [("layer_id", "block must be 24, 25 or 26, not 3")],
    ),
    "another stage and another kind": (
        "overflow",
        "head.fc.bias",
        "layer_6_decay",
        [
            ("layer_id", "the parameter's name would have to be like backbone."),
            ("weight_decay", "the parameter must not be a 1-D tensor"),
        ],
    ),
    "a longer key in the way": (
        "one key shadows another",
        "backbone.norm3.weight",
        "group_60",
        [("lr", "the parameter must not have 'backbone' in its name; or remove custom_keys['backbone']")],
    ),
    "a key that it lacks": (
        "one key shadows another",
        "head.fc.bias",
        "group_58",
        [("lr", "the parameter must have 'backbone' in its name, and no longer key")],
    ),
    "an option that it is not meant for": (
        "an lr_mult that mmpretrain does not use",
        "backbone.stages.3.0.depthwise_conv.weight",
        "group_49",
        [("weight_decay", "the parameter must be a 1-D tensor")],
    ),
    "frozen": (
        "frozen and shared parameters",
        "stem.weight",
        "group_0",
        [("state", "the parameter must require a gradient: requires_grad=True")],
    ),
    "a shared tensor": (
        "frozen and shared parameters",
        "second_head.weight",
        "group_0",
        [("state", "the parameter must not be another name of a shared tensor")],
    ),
    "numbers without rules": (
        UNKNOWN,
        "backbone.norm3.weight",
        "group_0",
        [("state", "the parameter must be among the")],
    ),
    "nothing but the tensor": ("one key shadows another", "head.fc.bias", "group_60", []),
}


@pytest.mark.parametrize(("title", "pattern", "group", "expected"), WHY_NOT.values(), ids=WHY_NOT)
def test_the_first_difference_from_a_group(
    title: str, pattern: str, group: str, expected: list[tuple[str, str]]
) -> None:
    found = group_map_of(title)
    (question,) = why_not(found, Explainer(found), select(found, pattern, duplicates=True), group)
    assert question.parameters == (pattern,)
    assert [parting.about for parting in question.partings] == [about for about, _ in expected]
    for parting, (_, needed) in zip(question.partings, expected, strict=True):
        assert parting.needed.startswith(needed)
    assert question.verdict


def test_a_group_is_also_named_by_what_is_in_it() -> None:
    found = group_map_of("why the last norm is not with the last stage")
    chosen = select(found, "backbone.norm3")
    named, by_member, by_module = (
        why_not(found, Explainer(found), chosen, name)
        # The whole module is in two groups. The one without weight decay is more similar to a norm.
        for name in ("layer_6_no_decay", "backbone.stages.3.0.norm.weight", "backbone.stages.3.0")
    )
    assert named == by_member == by_module
    assert named[0].not_in == "layer_6_no_decay"


def test_a_name_that_no_option_reaches_gets_the_scale_of_a_constructor_that_knows_it(tmp_path: Path) -> None:
    title = "why the last norm is not with the last stage"
    found = group_map_of(title)
    (question,) = why_not(found, Explainer(found), select(found, "backbone.norm3"), "layer_6_no_decay")
    options = {"decay_rate": found.constructor.options["decay_rate"]}
    bug = BUGS[title]._replace(constructor=OURS.name, paramwise_cfg=options)
    config_of(bug).dump(tmp_path / "ours.py")
    theirs = audit(str(tmp_path / "ours.py"), device="meta")
    (scale,) = {tensor.group.lr_scale for tensor in select(theirs, "backbone.norm3") if tensor.group}
    (parting,) = question.partings
    assert parting.needed.endswith(f"with the same decay rate, {OURS.label} gives lr scale {scale}")
    assert "no option changes the layer id: mmdet's" in parting.needed
    # With any constructor, a head parameter has the head's layer id.
    (head,) = why_not(found, Explainer(found), select(found, "head.fc.bias"), "layer_6_no_decay")
    assert head.partings[0].needed.endswith("the head's layer id to every name that it does not know")


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"patterns": ("backbone.norm7",)}, "PATTERN: no parameter or group matches 'backbone.norm7'; did you mean"),
        ({"patterns": ()}, "PATTERN: nothing to explain"),
        ({"patterns": (), "unlike": "head"}, "--group: --why-not and --group must be given together"),
        ({"patterns": (), "group": "layer_6_decay"}, "--why-not: --why-not and --group must be given together"),
        (
            {"patterns": (), "unlike": "head", "group": "layer_6_deca"},
            "--group: no group, parameter or module 'layer_6_deca'; did you mean",
        ),
        ({"patterns": (), "unlike": "hed", "group": "layer_6_decay"}, "--why-not: no parameter or group matches 'hed'"),
        (
            {"patterns": (), "unlike": "head.fc.bias", "group": "layer_7_no_decay"},
            "--why-not: all parameters that match the pattern are already in",
        ),
    ],
)
def test_questions_without_an_answer(asked: dict[str, Any], error: str) -> None:
    with pytest.raises(LrdecayError) as raised:
        explanation(group_map_of("overflow"), **asked)
    assert raised.value.line().startswith(error)


def test_several_patterns_are_explained_once_each() -> None:
    found = group_map_of("overflow")
    report = explanation(found, ("head", "head.fc.bias", "head.*")).report
    assert report.summary == "2 tensors explained: 2 recomputed"


def test_another_constructor_of_a_known_name_is_accepted() -> None:
    """mmsegmentation's constructor has the class name of mmdet's, and accepts names for which mmdet's raises."""
    found = group_map(
        {
            "layer_3_decay": {
                "layer_id": 3,
                "parameters": {"backbone.stages.last.weight": (2, 2), "head.weight": (2, 2)},
            }
        },
        constructor=Constructor("LearningRateDecayOptimizerConstructor", {"num_layers": 6, "decay_rate": 0.7}),
        model=msgspec.structs.replace(group_map().model, backbone="ConvNeXt"),
        training=Training({"optimizer": {"lr": 0.1}}, (), {}, {}, None, ()),
    )
    assert [(each.certainty, each.parameters) for each in explained(found, "backbone")] == [
        ("observed", ("backbone.stages.last.weight",))
    ]
