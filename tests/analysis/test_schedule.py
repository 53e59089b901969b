"""Facts about a schedule, computed from written values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from lrdecay_cli.analysis.scheduling.curves import curves, meetings, moments
from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.analysis.scheduling.summary import FEW, sampled
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.schedule import Series, Track, TrainingPlan
from tests.group_maps import group_map


def plan(**settings: Any) -> TrainingPlan:
    usual: dict[str, Any] = {"where": "c.py", "by_epoch": True, "loop": "EpochBasedTrainLoop", "length": 12}
    return TrainingPlan(**{**usual, **settings})


WARM_UP = (("param_scheduler[0]", {"type": "LinearLR", "by_epoch": False}),)
CONVERTED = (("param_scheduler[1]", {"type": "CosineAnnealingLR", "convert_to_iter_based": True}),)
BY_ITERATION = {"by_epoch": False, "loop": "IterBasedTrainLoop", "length": 90_000}


@pytest.mark.parametrize(
    ("settings", "known", "expected"),
    [
        ({}, {}, ("epoch", 12, None)),
        ({}, {"iterations_per_epoch": 10}, ("iteration", 120, 10)),
        ({"schedulers": WARM_UP}, {"iterations_per_epoch": 10}, ("iteration", 120, 10)),
        # mmdet's 1x schedule of COCO: the log shows [7330/7330] on eight GPUs.
        ({"batch_size": 2}, {"dataset_size": 117_266, "gpus": 8}, ("iteration", 12 * 7330, 7330)),
        ({"batch_size": 2}, {"dataset_size": 117_266}, ("iteration", 12 * 58_633, 58_633)),
        ({"batch_size": 4}, {"dataset_size": 13}, ("iteration", 48, 4)),
        ({"batch_size": 4, "drop_last": True}, {"dataset_size": 13}, ("iteration", 36, 3)),
        ({"batch_size": 2, "repeats": 3}, {"dataset_size": 10}, ("iteration", 180, 15)),
        ({"batch_size": 2, "infinite": True}, {"dataset_size": 100, "gpus": 8}, ("iteration", 600, 50)),
        ({"batches_per_epoch": 7}, {}, ("iteration", 84, 7)),
        (BY_ITERATION, {}, ("iteration", 90_000, None)),
        ({**BY_ITERATION, "schedulers": WARM_UP}, {}, ("iteration", 90_000, None)),
    ],
)
def test_length_of_a_run(
    settings: dict[str, Any], known: dict[str, int], expected: tuple[str, int, int | None]
) -> None:
    length = run_length(plan(**settings), **known)
    assert (length.unit, length.steps, length.iterations_per_epoch) == expected


@pytest.mark.parametrize(
    ("settings", "known", "source"),
    [
        ({}, {}, "unknown and not needed, because no scheduler steps by iteration"),
        (BY_ITERATION, {}, "unknown"),
        ({}, {"iterations_per_epoch": 10}, "--iters-per-epoch"),
        ({"batches_per_epoch": 7}, {"dataset_size": 9}, "train_dataloader.num_batch_per_epoch"),
        ({"batch_size": 2}, {"dataset_size": 1300}, "1,300 samples / (batch 2)"),
        ({"batch_size": 2, "repeats": 2}, {"dataset_size": 10}, "10 samples × 2 (RepeatDataset) / (batch 2)"),
        ({"batch_size": 2}, {"dataset_size": 10, "gpus": 2}, "10 samples / (batch 2 × 2 GPUs)"),
        ({"batch_size": 2, "infinite": True}, {"dataset_size": 10, "gpus": 2}, "10 samples / (batch 2)"),
    ],
)
def test_where_the_length_of_an_epoch_is_from(settings: dict[str, Any], known: dict[str, int], source: str) -> None:
    length = run_length(plan(**settings), **known)
    assert length.source == source
    assert length.epochs == (None if settings is BY_ITERATION else 12)


@pytest.mark.parametrize(
    ("settings", "known", "message"),
    [
        ({"schedulers": WARM_UP}, {}, "LinearLR at param_scheduler[0] counts iterations"),
        ({"schedulers": CONVERTED}, {}, "CosineAnnealingLR at param_scheduler[1] converts epochs to iterations"),
        ({**BY_ITERATION, "schedulers": CONVERTED}, {}, "the number of iterations per epoch is unknown"),
        ({"schedulers": WARM_UP, "annotations": "coco/instances_train2017.json"}, {}, "COCO train2017: 117266"),
        ({}, {"dataset_size": 10}, "no batch_size"),
        ({"batch_size": 4, "drop_last": True}, {"dataset_size": 3}, "3 samples do not fill a batch of 4"),
        ({}, {"dataset_size": 10, "iterations_per_epoch": 5}, "give only one of the two options"),
    ],
)
def test_unknown_values_are_requested(settings: dict[str, Any], known: dict[str, int], message: str) -> None:
    with pytest.raises(LrdecayError) as caught:
        run_length(plan(**settings), **known)
    assert message in str(caught.value)


def series_of(length: int, *tracks: Callable[[int], float], steps: Sequence[int] | None = None) -> Series:
    """Tracks of the groups g0, g1 and so on, from their values at each step."""
    series = Series(tuple(Track("", "lr", (f"g{index}",)) for index in range(len(tracks))), length)
    for step in range(length) if steps is None else steps:
        series.steps.append(step)
        series.rows.extend(value(step) for value in tracks)
    return series


def test_values_are_constant_until_they_are_set_again() -> None:
    series = series_of(100, lambda step: float(step), steps=[0, 10, 90])
    assert [series.at(step, 0) for step in (0, 9, 10, 89, 90, 99)] == [0, 0, 10, 10, 90, 90]


def test_few_changes_are_all_sampled_with_the_step_before() -> None:
    series = series_of(1_000_000, lambda step: 0.1**step, steps=[0, 700_000, 900_000])
    assert sampled(series, ()) == ((0, 699_999, 700_000, 899_999, 900_000, 999_999), True)


def test_samples_of_many_changes_keep_the_shape() -> None:
    def lr(step: int) -> float:
        if step < 500:
            return (step + 1) / 500
        return (0.1 if step >= 40_000 else 1.0) * (1 + math.cos(math.pi * (step - 500) / 49_500)) / 2 + 0.01

    series = series_of(50_000, lr)
    steps, complete = sampled(series, [500])
    assert not complete
    assert len(steps) < FEW
    assert {0, 499, 500, 501, 39_999, 40_000, 49_999} <= {*steps}
    gaps = [after - before for before, after in pairwise(steps)]
    assert max(gaps) <= 50_000 / 400
    assert sum(step < 500 for step in steps) > 60


@pytest.mark.parametrize(
    ("jumps", "kept"),
    [
        ({1234: 1.25}, {1233, 1234}),
        ({1234: 0.75, 3783: 1.3}, {1233, 1234, 3782, 3783}),
        ({1234: 1.15, 3783: 0.85}, set()),
    ],
)
def test_jumps_are_sampled_with_the_step_before(jumps: dict[int, float], kept: set[int]) -> None:
    """A jump of a fifth up or down, in a curve that rises slowly at every step."""

    def lr(step: int) -> float:
        return (1 + step / 1e6) * math.prod(factor for at, factor in jumps.items() if step >= at)

    steps, complete = sampled(series_of(5003, lr), ())
    assert not complete
    assert {1233, 1234, 3782, 3783} & {*steps} == kept


def test_the_largest_number_of_few_changes_is_sampled_completely() -> None:
    assert sampled(series_of(FEW, lambda step: float(step)), ()) == (tuple(range(FEW)), True)
    assert not sampled(series_of(FEW + 1, lambda step: float(step)), ())[1]


def test_every() -> None:
    series = series_of(100, lambda step: float(step))
    assert sampled(series, (), every=30) == ((0, 30, 60, 90, 99), False)
    assert sampled(series, (), every=1) == (tuple(range(100)), True)
    with pytest.raises(LrdecayError, match="give a larger N"):
        sampled(series_of(10_000_000, lambda step: 1.0, steps=[0]), (), every=1)


def test_moments() -> None:
    values = [1.0, 2.0, 4.0, 4.0, 3.0]
    series = series_of(10, lambda step: values[step], steps=range(5))
    found = moments(series, 0, 3)
    assert (found.start, found.after_warm_up, found.peak, found.peak_step, found.lowest, found.end) == (
        1,
        4,
        4,
        2,
        1,
        3,
    )


def test_meetings_are_found_at_their_exact_step() -> None:
    # The second curve starts above the first and falls below it; the third joins the first until the end; the fourth
    # separates from it.
    series = series_of(
        1000,
        lambda step: 10.0,
        lambda step: 20.0 - step / 50,
        lambda step: max(10.0, 30.0 - step / 10),
        lambda step: 10.0 if step < 333 else 5.0,
    )
    crossings = list(meetings(series, [0, 1, 2, 3], range(0, 1000, 37)))
    found = [(meeting.kind, meeting.step, meeting.curves) for meeting in crossings]
    assert [crossing.lr for crossing in crossings] == [
        series.at(crossing.step, crossing.curves[0]) for crossing in crossings
    ]
    assert found == [
        ("cross", 126, (1, 2)),
        ("meet", 200, (0, 2, 3)),
        ("part", 333, (0, 2, 3)),
        ("cross", 501, (0, 1, 2)),
        ("cross", 751, (1, 3)),
    ]


def test_groups_that_are_alike_share_a_curve_named_by_layer() -> None:
    groups = group_map(
        {
            "layer_1_decay": {"lr": 0.1, "layer_id": 1, "parameters": {"backbone.b.weight": (1,)}},
            "layer_0_decay": {"lr": 0.05, "layer_id": 0, "parameters": {"backbone.a.weight": (1,)}},
            "layer_1_no_decay": {"lr": 0.1, "layer_id": 1, "parameters": {"head.bias": (1,), "neck.bias": (1,)}},
        }
    )
    series = Series(tuple(Track("", "lr", (group.name,)) for group in groups.groups), 3)
    for step, factor in enumerate((1.0, 0.5, 0.25)):
        series.steps.append(step)
        series.rows.extend(factor * (group.lr or 0) for group in groups.groups)
    at_moments = [moments(series, track, None) for track in range(3)]
    found, _ = curves(series, groups, (0, 2), at_moments)
    assert [curve.label for curve in found] == ["layer 0", "layer 1"]
    assert found[1].groups == ("layer_1_decay", "layer_1_no_decay")
    assert found[1].head
    assert found[1].values == {"lr": (0.1, 0.025)}
    assert found[1].configured == (0.1,)


def group(lr: float, *names: str, layer_id: int | None = None) -> dict[str, Any]:
    return {"lr": lr, "layer_id": layer_id, "parameters": {f"{name}.weight": (2,) for name in names}}


# Groups, and the names of their curves, slowest first.
LABELS: dict[str, tuple[dict[str, dict[str, Any]], list[str]]] = {
    "one without a name": ({"group_0": group(0.1, "a")}, ["the one group"]),
    "one with a name": ({"slow": group(0.1, "a")}, ["slow"]),
    "all alike": ({"group_0": group(0.1, "a"), "group_1": group(0.1, "b")}, ["every group"]),
    "named": ({"fast": group(0.2, "a"), "slow": group(0.1, "b")}, ["slow", "fast"]),
    "without names": ({"group_0": group(0.2, "a"), "group_1": group(0.1, "b")}, ["b.weight", "a.weight"]),
    "without names of two optimizers' kind": (
        {"critic.group_0": group(0.2, "a"), "critic.group_1": group(0.1, "b")},
        ["b.weight", "a.weight"],
    ),
    "by layer": (
        {
            **{f"layer_{layer}": group(0.1, f"a.{layer}", layer_id=layer) for layer in (0, 1, 2)},
            **{f"layer_{layer}": group(0.2, f"a.{layer}", layer_id=layer) for layer in (3, 5)},
            "head": group(0.3, "head", layer_id=6),
        },
        ["layers 0–2", "layers 3, 5", "layer 6"],
    ),
    "a layer at two rates": (
        {"slow": group(0.1, "a", layer_id=0), "fast": group(0.2, "b", layer_id=0)},
        ["layer 0", "layer 0 #2"],
    ),
    "not all by layer": (
        {"slow": group(0.1, "a", layer_id=0), "other": group(0.1, "b"), "fast": group(0.2, "c")},
        ["{a,b}.*", "fast"],
    ),
    "all frozen, and some": (
        {
            "slow": group(0.1, "a", layer_id=0) | {"no_grad": ["a.weight"]},
            "fast": group(0.2, "b", "c", layer_id=1) | {"no_grad": ["b.weight"]},
        },
        ["layer 0 (frozen)", "layer 1"],
    ),
    "more than two patterns": (
        {"group_0": group(0.1, "a.x", "b.y", "c.z"), "group_1": group(0.2, "a.y", "b.z")},
        ["a.x.weight, b.y.weight, 1 more", "a.y.weight, b.z.weight"],
    ),
}


@pytest.mark.parametrize("optimizer", ["", "generator"])
@pytest.mark.parametrize(("groups", "labels"), LABELS.values(), ids=LABELS)
def test_names_of_curves(groups: dict[str, dict[str, Any]], labels: list[str], optimizer: str) -> None:
    """With several optimizers, names start with the optimizer's name, unless they contain it or only one has curves."""
    found_map = group_map(groups)
    series = Series(tuple(Track(optimizer, "lr", (each.name,)) for each in found_map.groups), 1)
    series.steps.append(0)
    series.rows.extend(each.lr or 0 for each in found_map.groups)
    at_moments = [moments(series, track, None) for track in range(len(groups))]
    found, tracks = curves(series, found_map, (0,), at_moments)
    plain = len(labels) == 1
    named = [label if plain or label in groups else f"{optimizer}: {label}" for label in labels]
    assert [curve.label for curve in found] == (named if optimizer else labels)
    assert [curve.optimizer for curve in found] == [optimizer] * len(labels)
    assert len(tracks) == len(found)
    assert sum(curve.tensors for curve in found) == found_map.model.totals.grouped_tensors
    for curve in found:
        assert {found_map.groups[[*groups].index(name)].lr for name in curve.groups} == {*curve.configured}
        layers = {groups[name]["layer_id"] for name in curve.groups} - {None}
        assert curve.layer_ids == tuple(sorted(layers))


@pytest.mark.parametrize(
    ("names", "head"),
    [
        *((("backbone", "bbox_head", "neck"), 1), (("backbone.head", "headless", "decode_heads"), 2)),
        *((("a", "b", "head_of_it"), None), (("module.roi_head", "b", "c"), 0)),
    ],
)
def test_the_curve_of_the_head(names: tuple[str, ...], head: int | None) -> None:
    found_map = group_map({f"g{index}": group(0.1 * (index + 1), name) for index, name in enumerate(names)})
    series = series_of(1, *(lambda step, lr=each.lr: lr for each in found_map.groups))
    at_moments = [moments(series, track, None) for track in range(len(names))]
    found, _ = curves(series, found_map, (0,), at_moments)
    assert [index for index, curve in enumerate(found) if curve.head] == ([] if head is None else [head])
