"""Tensors on one side only, summaries in words, and changes by layer and by module; numpy computes the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrdecay_cli.analysis.comparing.report import comparison
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.change import ASPECTS, Aspect, Grouping
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Checkpoint, Constructor, Optimizer
from tests.group_maps import group_map

SHAPE = (4, 4)
LR: frozenset[Aspect] = frozenset({"lr"})
SAVED = Checkpoint(1, 10, "mmengine 0.10", "recorded", None, None, 0)


def map_with(*names: str, **spec: Any) -> GroupMap:
    return group_map({"g": {"parameters": dict.fromkeys(names, SHAPE), **spec}})


# Tensors on one side, compared aspects, and tensors only before and only after.
ONE_SIDED = {
    "another tensor": (map_with("a", "b"), map_with("a", "c", "d"), LR, (1, 2)),
    "in no group": (
        map_with("a", "b"),
        group_map({"g": {"parameters": {"a": SHAPE}}}, frozen={"b": SHAPE}),
        LR,
        (1, 0),
    ),
    "trained, but in no group": (
        *(group_map({"g": {"parameters": {"a": SHAPE}}}, missing={"b": SHAPE}), map_with("a", "b")),
        *(frozenset[Aspect]({"weight_decay"}), (0, 1)),
    ),
    "frozen, so without an lr": (
        *(group_map({"g": {"parameters": {"a": SHAPE}}}, frozen={"b": SHAPE}), map_with("a"), LR, (0, 0)),
    ),
    "a shape": (
        *(group_map({"g": {"parameters": {"a": SHAPE}}}, frozen={"b": SHAPE}), map_with("a")),
        *(frozenset[Aspect]({"shape"}), (1, 0)),
    ),
    "frozen in its group": (map_with("a"), map_with("a", no_grad=("a",)), LR, (0, 0)),
    "another name of a shared tensor": (
        *(map_with("a", "b"), group_map({"g": {"parameters": {"a": SHAPE}}}, duplicates={"b": "a"}), LR, (0, 0)),
    ),
    "a renamed module": (map_with("old.w"), map_with("new.w"), LR, (0, 0)),
}


@pytest.mark.parametrize(("before", "after", "only", "sides"), ONE_SIDED.values(), ids=ONE_SIDED)
def test_a_value_on_one_side_is_a_difference(
    before: GroupMap, after: GroupMap, only: frozenset[Aspect], sides: tuple[int, int]
) -> None:
    result = comparison(before, after, only=only)
    assert (result.document.only_before, result.document.only_after) == sides
    assert result.document.identical is (sides == (0, 0))
    assert result.report.summary.startswith("same" if sides == (0, 0) else "different")
    summary = " ".join(result.document.summary)
    assert ("cannot be compared" in summary) is (sides != (0, 0) and only != {"shape"})


DECAYED = group_map(
    {
        "slow": {"lr": 0.01, "layer_id": 0, "parameters": {"backbone.stem.w": (3, 5), "backbone.layers.0.w": (2, 2)}},
        "fast": {"lr": 0.1, "layer_id": 2, "parameters": {"backbone.layers.1.w": (7,), "head.w": (2, 9)}},
    }
)
OTHER = group_map(
    {
        "slow": {"lr": 0.02, "layer_id": 0, "parameters": {"backbone.stem.w": (3, 5)}},
        "middle": {"lr": 0.05, "layer_id": 1, "parameters": {"backbone.layers.0.w": (2, 2)}},
        "fast": {
            "lr": 0.05,
            "layer_id": 2,
            "parameters": {"backbone.layers.1.w": (7,), "head.w": (2, 9), "head.b": (2,)},
        },
    }
)


def test_the_mean_factor_is_weighted_by_parameters() -> None:
    summary = comparison(DECAYED, OTHER).document.summary
    weights = [15, 4, 7, 18]
    mean = np.average([0.02, 0.05, 0.05, 0.05], weights=weights) / np.average([0.01, 0.01, 0.1, 0.1], weights=weights)
    assert summary[0] == (
        "lr differs in 4 of 5 tensors, 2 higher and 2 lower: ×0.5 to ×5"
        f" (×{mean:.3g} on average, weighted by parameters); layer id in 1"
    )
    assert summary[1:] == ("1 tensor only after",)


def test_rows_by_module_and_by_layer() -> None:
    rows = {part.name: part for part in comparison(DECAYED, OTHER, by="module").document.parts}
    assert [*rows] == ["backbone.stem", "backbone.layers.0", "backbone.layers.1", "head"]
    assert {name: part.factor for name, part in rows.items()} == pytest.approx(
        {"backbone.layers.0": 5, "backbone.layers.1": 0.5, "backbone.stem": 2, "head": 0.5}
    )
    head = rows["head"]
    assert (head.tensors, head.changed, head.only_after, head.parameters) == (2, 2, 1, 20)
    layers = {part.name: part for part in comparison(DECAYED, OTHER, by="layer").document.parts}
    assert {name: part.factor for name, part in layers.items()} == pytest.approx({"0": 2, "0 → 1": 5, "2": 0.5})
    assert layers["2"].only_after == 1


@pytest.mark.parametrize("by", ["layer", "module"])
@pytest.mark.parametrize("only", [None, LR])
def test_parts_add_up(by: Grouping, only: frozenset[Aspect] | None) -> None:
    document = comparison(DECAYED, OTHER, by=by, only=only).document
    changed = {name for change in document.changes for name in change.parameters}
    assert sum(part.changed for part in document.parts) == len(changed)
    counts = {
        aspect: sum(change.tensors for change in document.changes if change.aspect == aspect) for aspect in ASPECTS
    }
    assert counts == {aspect: sum(part.aspects.get(aspect, 0) for part in document.parts) for aspect in ASPECTS}
    assert not comparison(DECAYED, DECAYED, by=by).document.parts


def test_not_recorded_is_not_absent() -> None:
    """A checkpoint without the text of its config, and a config that does not set an option."""
    config = map_with("a")
    decayed = group_map({"g": {"parameters": {"a": SHAPE}}}, constructor=Constructor("LayerDecay", {"decay_rate": 0.7}))
    saved = group_map(
        {"g": {"parameters": {"a": SHAPE}}},
        checkpoint=SAVED,
        constructor=Constructor("unknown", {}),
        optimizer=Optimizer("unknown", "unknown", {}),
        base_lr=None,
    )
    absent = dict(comparison(decayed, config).report.facts)
    unknown = dict(comparison(decayed, saved).report.facts)
    assert absent["constructor.options.decay_rate"] == "0.7 → –"
    assert unknown["constructor.options.decay_rate"] == "0.7 → not recorded"
    assert unknown["base_lr"] == "0.1 → not recorded"
    assert unknown["optimizer.type"] == "AdamW → not recorded"


def test_a_cause_has_the_place_that_sets_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options of the constructor and of the model; a line that sets several options is reported once."""
    text = (
        "custom_imports = dict(imports=['tests.dry_run.trainings', 'mmdet.engine.optimizers'])\n"
        "model = dict(type='DryToy', frozen={frozen})\n"
        "optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),\n"
        "    constructor='mmdet.LearningRateDecayOptimizerConstructor',\n"
        "    paramwise_cfg=dict(decay_rate={rate}, decay_type='layer_wise', num_layers={layers}))\n"
    )
    for name, values in (("a", dict(frozen=0, rate=0.7, layers=6)), ("b", dict(frozen=2, rate=0.8, layers=7))):
        (tmp_path / f"{name}.py").write_text(text.format(**values))
    sides = [str(tmp_path / f"{name}.py") for name in "ab"]
    assert run(["diff", *sides, "--device", "meta"]) == 1
    extent, presence, cause = capsys.readouterr().out.splitlines()[:3]
    assert extent.startswith("lr differs in 16 of 20 tensors, all higher")
    assert presence == "4 tensors frozen only after"
    assert cause == (
        f"Cause: decay_rate 0.7 → 0.8, num_layers 6 → 7 ({sides[1]}:5) and model.frozen 0 → 2 ({sides[1]}:2)"
    )
