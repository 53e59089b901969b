"""Rules on schedules, compared with mmengine's own schedulers, stepped as its Runner steps them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.optim import scheduler as mmengine_schedulers
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from lrdecay_cli.domain.fix import apply_edits
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import RefusedScheduler, Training
from lrdecay_cli.openmmlab.schedulers.refusals import refused_schedulers
from lrdecay_cli.rules import RULES, find_rule
from lrdecay_cli.rules.running import findings_of
from lrdecay_cli.rules.schedules.known_settings import CLASSES, COMMON, REQUIRED, SETTINGS
from tests.group_maps import group_map

LRS = (1e-4, 1e-2)
"""The lrs of a low layer and of the head."""
EPOCHS, ITERATIONS = 12, 40

Trace = list[tuple[float, ...]]
"""The lr of each group in every iteration."""


def described(schedulers: list[dict[str, Any]], *, by_epoch: bool = True) -> GroupMap:
    """Return a map of two groups with this training."""
    length = {"max_epochs": EPOCHS} if by_epoch else {"max_iters": EPOCHS * ITERATIONS}
    training = Training({}, tuple(schedulers), {"by_epoch": by_epoch, **length}, {}, None, ())
    groups = {
        name: {"lr": lr, "lr_scale": lr / LRS[1], "parameters": {f"{name}.weight": (2, 2)}}
        for name, lr in zip(("stem", "head"), LRS, strict=True)
    }
    found = group_map(groups, base_lr=LRS[1], training=training)
    with_momentum = tuple(msgspec.structs.replace(group, options={"momentum": 0.9}) for group in found.groups)
    return msgspec.structs.replace(found, groups=with_momentum)


def trained(schedulers: list[dict[str, Any]], *, by_epoch: bool = True, what: str = "lr") -> Trace:
    """Return the real lrs, or another value. Source: mmengine's ``ParamSchedulerHook`` and ``Runner``."""
    optimizer = torch.optim.SGD(
        [{"params": nn.Linear(2, 2).parameters(), "lr": lr} for lr in LRS], lr=LRS[1], momentum=0.9
    )
    # The Runner passes this to schedulers: with several groups, it has one more group, for the base lr.
    wrapper = OptimWrapper(optimizer)
    built = []
    for settings in schedulers:
        end = EPOCHS if settings.get("by_epoch", True) else EPOCHS * ITERATIONS
        defaults = {"optimizer": wrapper, "epoch_length": ITERATIONS}
        of_type = {"end": end, **settings, "type": getattr(mmengine_schedulers, settings["type"])}
        built.append(PARAM_SCHEDULERS.build(of_type, default_args=defaults))
    trace = []
    for iteration in range(1, EPOCHS * ITERATIONS + 1):
        trace.append(tuple(group[what] for group in optimizer.param_groups))
        optimizer.step()
        ends_epoch = by_epoch and iteration % ITERATIONS == 0
        for scheduler in built:
            if not scheduler.by_epoch or ends_epoch:
                scheduler.step()
    return trace


def stem(trace: Trace) -> list[float]:
    return [lrs[0] for lrs in trace]


def head(trace: Trace) -> list[float]:
    return [lrs[1] for lrs in trace]


def is_constant(trace: Trace) -> bool:
    return len(set(trace)) == 1


COSINE = {"type": "CosineAnnealingLR", "T_max": 12}
STEPS = {"type": "MultiStepLR", "milestones": [8, 11]}
LINEAR = {"type": "LinearLR", "start_factor": 0.01}
UP = {"type": "CosineAnnealingLR", "T_max": 5, "begin": 0, "end": 5}
DOWN = {"type": "CosineAnnealingLR", "T_max": 7, "begin": 5, "end": 12}

PLATEAU = {"type": "ReduceOnPlateauLR", "monitor": "acc"}
ONE_CYCLE = {"type": "OneCycleLR", "eta_max": [*LRS, LRS[1]]}

Case = tuple[list[dict[str, Any]], set[str], Callable[[Trace], bool]]
CASES: dict[str, Case] = {
    "clean cosine": ([{**LINEAR, "by_epoch": False, "end": 100}, COSINE], set(), lambda t: max(head(t)) <= LRS[1]),
    "clean steps": ([{**LINEAR, "by_epoch": False, "end": 100}, STEPS], set(), lambda t: head(t)[-1] < 1.1e-4),
    "eta_min above the stem's lr": ([{**COSINE, "eta_min": 1e-3}], {"LRD601"}, lambda t: stem(t)[-1] > 5 * LRS[0]),
    "poly": ([{"type": "PolyLR", "eta_min": 1e-3}], {"LRD601"}, lambda t: stem(t)[-1] > 5 * LRS[0]),
    "restarts": (
        [{"type": "CosineRestartLR", "periods": [12], "eta_min": 1e-3}],
        {"LRD601"},
        lambda t: stem(t)[-1] > 5 * LRS[0],
    ),
    "eta_min at the stem's lr": ([{**COSINE, "eta_min": LRS[0]}], {"LRD601"}, lambda t: len({*stem(t)}) == 1),
    "eta_min near it": ([{**COSINE, "eta_min": 5e-5}], {"LRD607"}, lambda t: head(t)[-1] < 6 * stem(t)[-1]),
    "ratio": ([{**COSINE, "eta_min_ratio": 0.1}], set(), lambda t: abs(head(t)[-1] / stem(t)[-1] - 100) < 1e-6),
    "one step": ([{**LINEAR, "end": 1}], {"LRD602"}, lambda t: max(head(t)[ITERATIONS:]) < 0.02 * LRS[1]),
    "two steps": ([{**LINEAR, "end": 2}], set(), lambda t: head(t)[-1] == pytest.approx(LRS[1])),
    "a constant third": (
        [{"type": "ConstantLR"}],
        {"LRD602"},
        lambda t: max(head(t)[: 11 * ITERATIONS]) < 0.4 * LRS[1],
    ),
    "a constant third for longer": (
        [{"type": "ConstantLR", "end": 24}],
        {"LRD602"},
        lambda t: max(head(t)) < 0.4 * LRS[1],
    ),
    "a tenth at last": (
        [{**COSINE, "T_max": 9, "end": 9, "eta_min": 5e-3}, {"type": "ConstantLR", "factor": 0.1, "begin": 9}],
        {"LRD601"},
        lambda t: head(t)[8 * ITERATIONS] >= 0.5 * LRS[1] > 0.06 * LRS[1] > head(t)[10 * ITERATIONS],
    ),
    "a cycle up and down": (
        [{**UP, "eta_min": 0.1, "convert_to_iter_based": True}, {**DOWN, "eta_min": 1e-6}],
        {"LRD601"},
        lambda t: max(stem(t)) > 900 * LRS[0] and head(t)[-1] < LRS[1],
    ),
    "up by a ratio, down by steps": (
        [{**UP, "eta_min_ratio": 10}, {"type": "ExponentialLR", "gamma": 0.5, "begin": 5, "end": 12}],
        set(),
        lambda t: max(stem(t)) > 8 * LRS[0] and stem(t)[-1] < LRS[0],
    ),
    "up by a ratio, down by a line": (
        [{**UP, "eta_min_ratio": 10}, {**LINEAR, "start_factor": 1.0, "end_factor": 0.01, "begin": 5, "end": 12}],
        set(),
        lambda t: max(stem(t)) > 8 * LRS[0] and stem(t)[-1] < LRS[0],
    ),
    "up by a ratio, and not far enough down": (
        [{**UP, "eta_min_ratio": 10}, {**DOWN, "eta_min_ratio": 2}],
        {"LRD601"},
        lambda t: stem(t)[-1] > 1.9 * LRS[0],
    ),
    "a cycle by ratios": (
        [{**UP, "eta_min_ratio": 10}, {**DOWN, "eta_min_ratio": 1e-4}],
        set(),
        lambda t: max(stem(t)) > 8 * LRS[0] and stem(t)[-1] < 0.6 * LRS[0],
    ),
    "up, and down with the training over": (
        [{**UP, "eta_min_ratio": 10, "T_max": 11, "end": 11}, {**DOWN, "eta_min_ratio": 1e-4, "begin": 12, "end": 20}],
        {"LRD601", "LRD603"},
        lambda t: head(t)[-1] > 5 * LRS[1],
    ),
    "a cycle that raises the stem alone": (
        [{**UP, "eta_min": 1e-3}, {**DOWN, "eta_min": 1e-6}],
        {"LRD601"},
        lambda t: max(stem(t)) > 3 * LRS[0] and max(head(t)) == LRS[1],
    ),
    "a third at first": (
        [{"type": "ConstantLR", "end": 3}],
        set(),
        lambda t: head(t)[0] < 0.4 * LRS[1] and head(t)[-1] == pytest.approx(LRS[1]),
    ),
    "warm-up to a half": (
        [{**LINEAR, "end": 3, "end_factor": 0.5}],
        {"LRD602"},
        lambda t: max(head(t)) == pytest.approx(LRS[1] / 2),
    ),
    "milestones behind the training": ([{**STEPS, "milestones": [16, 22]}], {"LRD603"}, is_constant),
    "milestones behind the end": ([{**STEPS, "end": 8}], {"LRD603"}, is_constant),
    "milestones count from begin": (
        [{**STEPS, "begin": 4}],
        {"LRD603"},
        lambda t: head(t)[11 * ITERATIONS] == LRS[1] and is_constant(t),
    ),
    "one milestone of two": ([{**STEPS, "milestones": [8, 12]}], {"LRD603"}, lambda t: head(t)[-1] > 0.9e-3),
    "begins too late": ([{**STEPS, "begin": 14, "end": 20}], {"LRD603"}, is_constant),
    "cosine for longer": ([{**COSINE, "T_max": 36, "end": 36}], {"LRD603"}, lambda t: head(t)[-1] > 0.7 * LRS[1]),
    "poly for longer": ([{"type": "PolyLR", "end": 36}], {"LRD603"}, lambda t: head(t)[-1] > 0.6 * LRS[1]),
    "warm-up of 500 epochs": ([{**LINEAR, "end": 500}], {"LRD605"}, lambda t: max(head(t)) < 0.05 * LRS[1]),
    "warm-up without an end": ([LINEAR], {"LRD605"}, lambda t: head(t)[6 * ITERATIONS] < 0.6 * LRS[1]),
    "both lower": ([COSINE, STEPS], {"LRD606"}, lambda t: head(t)[-1] < 0.001 * LRS[1]),
    "used up": (
        [{**COSINE, "T_max": 8, "end": 8}],
        {"LRD606"},
        lambda t: max(head(t)[8 * ITERATIONS :]) < 0.05 * LRS[1],
    ),
    "used up, each iteration": (
        [{**COSINE, "T_max": 8, "end": 8, "convert_to_iter_based": True}],
        {"LRD606"},
        lambda t: max(head(t)[8 * ITERATIONS :]) < 0.001 * LRS[1],
    ),
    "one cycle": ([{"type": "OneCycleLR", "eta_max": 0.01}], {"LRD607"}, lambda t: all(a == b for a, b in t)),
    "one cycle for each": (
        [ONE_CYCLE],
        set(),
        lambda t: all(a < b for a, b in t),
    ),
    "epochs meant": (
        [{**STEPS, "by_epoch": False}],
        {"LRD608"},
        lambda t: head(t)[ITERATIONS] < 1.1e-4 and head(t)[0] == LRS[1],
    ),
    "rises again": (
        [{**COSINE, "T_max": 6}],
        {"LRD609"},
        lambda t: head(t)[-1] > 10 * head(t)[6 * ITERATIONS] and head(t)[-1] > 0.9 * LRS[1],
    ),
    "steps of a third of the training": (
        [{**LINEAR, "by_epoch": False, "end": 20}, {**STEPS, "milestones": [2, 3], "end": 4}],
        {"LRD606"},
        lambda t: max(head(t)[3 * ITERATIONS :]) < 0.011 * LRS[1],
    ),
    "steps of the first half": (
        [{**STEPS, "milestones": [3, 5]}],
        {"LRD606"},
        lambda t: max(head(t)[5 * ITERATIONS :]) < 0.011 * LRS[1],
    ),
    "steps for all of it by two": (
        [{**STEPS, "milestones": [4], "end": 6}, {**STEPS, "milestones": [3], "begin": 6}],
        set(),
        lambda t: head(t)[8 * ITERATIONS] > 0.09 * LRS[1] > 0.05 * LRS[1] > head(t)[-1],
    ),
    "steps that end with the last epoch but one": (
        [{**STEPS, "milestones": [8, 10], "end": 11}],
        set(),
        lambda t: head(t)[9 * ITERATIONS] > 0.09 * LRS[1],
    ),
    "an end of StepLR": (
        [{"type": "StepLR", "step_size": 2, "end": 6}],
        {"LRD606"},
        lambda t: len({*head(t)[4 * ITERATIONS :]}) == 1 and head(t)[-1] < 0.011 * LRS[1],
    ),
    "used up behind a warm-up of iterations": (
        [{**LINEAR, "by_epoch": False, "end": 20}, {**COSINE, "T_max": 8, "end": 8}],
        {"LRD606"},
        lambda t: max(head(t)[8 * ITERATIONS :]) < 0.05 * LRS[1],
    ),
    "gamma of 10": ([{**STEPS, "gamma": 10}], {"LRD611"}, lambda t: head(t)[-1] == pytest.approx(100 * LRS[1])),
    "gamma of 10 each second epoch": (
        [{"type": "StepLR", "step_size": 2, "gamma": 10}],
        {"LRD611"},
        lambda t: head(t)[-1] == pytest.approx(1e5 * LRS[1]),
    ),
    "gamma of 1.1 each epoch": (
        [{"type": "ExponentialLR", "gamma": 1.1}],
        {"LRD611"},
        lambda t: head(t)[-1] == pytest.approx(1.1**11 * LRS[1]),
    ),
    "gamma of 0": ([{**STEPS, "gamma": 0}], {"LRD611"}, lambda t: head(t)[-1] == 0),
    "gamma below 0": ([{**STEPS, "gamma": -0.1}], {"LRD611"}, lambda t: min(head(t)) < 0),
    "gamma of a milestone that never comes": ([{**STEPS, "gamma": 10, "milestones": [20]}], {"LRD603"}, is_constant),
    "gamma of 1": ([{**STEPS, "gamma": 1.0}], {"LRD610"}, is_constant),
    "no milestones": ([{**STEPS, "milestones": []}], {"LRD610"}, is_constant),
    "power of 0": ([{"type": "PolyLR", "power": 0}], {"LRD610"}, is_constant),
}


def codes(found: GroupMap) -> set[str]:
    return {finding.code for finding in findings_of(found, [rule for rule in RULES if rule.code.startswith("LRD6")])}


@pytest.mark.parametrize(("schedulers", "expected", "happens"), CASES.values(), ids=CASES)
def test_findings_match_the_trace(
    schedulers: list[dict[str, Any]], expected: set[str], happens: Callable[[Trace], bool]
) -> None:
    assert codes(described(schedulers)) == expected
    assert happens(trained(schedulers))


@pytest.mark.parametrize(
    ("schedulers", "severity", "fix"),
    [
        pytest.param([{**UP, "eta_min": 0.1}, {**DOWN, "eta_min": 1e-6}], "info", "eta_min_ratio=10 ", id="a cycle"),
        pytest.param([{**UP, "eta_min": 1e-3}, {**DOWN, "eta_min": 1e-6}], "warning", "eta_min_ratio=0.1 ", id="stem"),
        pytest.param([{**UP, "eta_min": 0.1}], "error", "eta_min_ratio=0.1 ", id="for good"),
    ],
)
def test_a_rise_is_sampled_if_a_later_scheduler_lowers_it(
    schedulers: list[dict[str, Any]], severity: str, fix: str
) -> None:
    (finding,) = findings_of(described(schedulers), [find_rule("LRD601")])
    assert (finding.severity, fix in finding.fix) == (severity, True)
    # The suggested value keeps the ratio between the groups, and the peak if that is intended.
    first = {key: value for key, value in schedulers[0].items() if key != "eta_min"}
    trace = trained([{**first, "eta_min_ratio": float(fix.split("=")[1])}, *schedulers[1:]])
    middle = trace[5 * ITERATIONS - 1]
    assert middle[1] / middle[0] == pytest.approx(LRS[1] / LRS[0], rel=1e-6)
    assert (max(head(trace)) > LRS[1]) == (severity == "info")


@pytest.mark.parametrize(
    ("settings", "late"),
    [
        ({"milestones": [8, 11]}, ""),
        ({"milestones": [8, 12, 20]}, "12, 20"),
        ({"milestones": [8, 11], "begin": 2}, "11"),
        ({"milestones": [8, 11], "end": 9}, "11"),
        ({"milestones": []}, ""),
    ],
)
def test_which_milestones_are_not_reached(settings: dict[str, Any], late: str) -> None:
    findings = findings_of(described([{**STEPS, **settings}]), [find_rule("LRD603")])
    assert [
        re.findall(r"milestones? \(([\d, ]+\d)(?:, counted from begin=2)?\) (?:is|are)", finding.message)
        for finding in findings
    ] == ([[late]] if late else [])
    drops = len({lrs[1] for lrs in trained([{**STEPS, **settings}])}) - 1
    assert drops == len(settings["milestones"]) - len(late.split())


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        pytest.param(
            {"type": "StepMomentum", "step_size": 6, "gamma": 1.05}, ("warning", "up to 1.05 times"), id="steps"
        ),
        pytest.param(
            {"type": "ExponentialMomentum", "gamma": 1.05},
            ("error", "up to 1.71 times its value of 0.9"),
            id="each epoch",
        ),
        pytest.param(
            {**STEPS, "type": "MultiStepParamScheduler", "param_name": "momentum", "gamma": 2},
            ("error", "up to 4 times"),
            id="by param_name",
        ),
        pytest.param({"type": "StepMomentum", "step_size": 6, "gamma": 0.9}, None, id="falls"),
        pytest.param(
            {**STEPS, "type": "MultiStepParamScheduler", "param_name": "weight_decay", "gamma": 2},
            None,
            id="weight decay",
        ),
    ],
)
def test_momentum(scheduler: dict[str, Any], expected: tuple[str, str] | None) -> None:
    found = described([scheduler])
    groups = tuple(msgspec.structs.replace(group, options={"momentum": 0.9}) for group in found.groups)
    findings = findings_of(msgspec.structs.replace(found, groups=groups), [find_rule("LRD611")])
    highest = max(max(trace) for trace in trained([scheduler], what="momentum"))
    assert bool(findings) == (highest > 0.9) == (expected is not None)
    for finding in findings:
        assert expected is not None
        assert finding.severity == expected[0] == ("error" if highest >= 1 else "warning")
        assert expected[1] in finding.message
        assert f"{highest / 0.9:.3g} times" in finding.message


ITERATION_CASES: dict[str, Case] = {
    "steps by epoch": ([{**STEPS, "milestones": [200, 400]}], {"LRD608"}, is_constant),
    "warm-up by epoch": ([{**LINEAR, "end": 20}], {"LRD608"}, lambda t: max(head(t)) < 0.02 * LRS[1]),
    "by iteration": ([{**STEPS, "milestones": [200, 400], "by_epoch": False}], set(), lambda t: head(t)[-1] < 1.1e-4),
    "converted": ([{**COSINE, "convert_to_iter_based": True}], set(), lambda t: head(t)[-1] < 1e-4),
    "milestones too late": (
        [{**STEPS, "milestones": [600, 800], "by_epoch": False}],
        {"LRD603"},
        is_constant,
    ),
}


@pytest.mark.parametrize(("schedulers", "expected", "happens"), ITERATION_CASES.values(), ids=ITERATION_CASES)
def test_training_of_iterations(
    schedulers: list[dict[str, Any]], expected: set[str], happens: Callable[[Trace], bool]
) -> None:
    assert codes(described(schedulers, by_epoch=False)) == expected
    assert happens(trained(schedulers, by_epoch=False))


@pytest.mark.parametrize(
    ("scheduler", "code", "option", "error"),
    [
        pytest.param(
            {**LINEAR, "start_factor": 1.5, "end": 3}, "LRD602", "start_factor", ValueError, id="factor above 1"
        ),
        pytest.param(
            {**LINEAR, "start_factor": 0.0, "end": 3}, "LRD602", "start_factor", ZeroDivisionError, id="factor 0"
        ),
        pytest.param(
            {"type": "ConstantLR", "factor": 2.0, "end": 3}, "LRD602", "factor", ValueError, id="constant above 1"
        ),
        pytest.param({**COSINE, "begin": 8, "end": 8}, "LRD604", "end", ValueError, id="empty"),
        pytest.param({**COSINE, "begin": 12}, "LRD604", "begin", ValueError, id="begins at the end"),
        pytest.param(
            {**COSINE, "by_epoch": False, "convert_to_iter_based": True},
            "LRD604",
            "convert_to_iter_based",
            AssertionError,
            id="converted iterations",
        ),
        pytest.param(
            {**COSINE, "eta_min": 1e-6, "eta_min_ratio": 0.1},
            "LRD604",
            "eta_min_ratio",
            AssertionError,
            id="two minima",
        ),
        pytest.param({**COSINE, "eta_min": "1e-6"}, "LRD604", "eta_min", TypeError, id="number in quotes"),
        pytest.param({**COSINE, "begin": "1"}, "LRD604", "begin", TypeError, id="begin in quotes"),
        pytest.param({**COSINE, "end": None}, "LRD604", "end", TypeError, id="end of None"),
        pytest.param({**COSINE, "last_step": 3}, "LRD604", "last_step", KeyError, id="last_step"),
        pytest.param({**PLATEAU, "by_epoch": False}, "LRD604", "by_epoch", AssertionError, id="plateau by iteration"),
        pytest.param({**PLATEAU, "factor": 1.0}, "LRD604", "factor", ValueError, id="plateau factor"),
        pytest.param({**PLATEAU, "rule": "max"}, "LRD604", "rule", ValueError, id="plateau rule"),
        pytest.param({**PLATEAU, "threshold": -1}, "LRD604", "threshold", ValueError, id="plateau threshold"),
        pytest.param({**PLATEAU, "min_value": [1e-6] * 3}, "LRD604", "min_value", ValueError, id="plateau minima"),
        pytest.param(
            {**PLATEAU, "convert_to_iter_based": True},
            "LRD604",
            "convert_to_iter_based",
            AttributeError,
            id="plateau converted",
        ),
        pytest.param({**ONE_CYCLE, "pct_start": 2}, "LRD604", "pct_start", ValueError, id="pct_start"),
        pytest.param({**ONE_CYCLE, "pct_start": 1}, "LRD604", "pct_start", ValueError, id="pct_start an int"),
        pytest.param({**ONE_CYCLE, "total_steps": 0}, "LRD604", "total_steps", ValueError, id="no steps"),
        pytest.param({**ONE_CYCLE, "total_steps": 5}, "LRD604", "total_steps", ValueError, id="too few steps"),
        pytest.param({**ONE_CYCLE, "eta_max": [*LRS]}, "LRD604", "eta_max", ValueError, id="eta_max of others"),
        pytest.param(
            {**ONE_CYCLE, "anneal_strategy": "cosine"}, "LRD604", "anneal_strategy", ValueError, id="anneal_strategy"
        ),
        pytest.param(
            {"type": "CosineRestartLR", "periods": [12]},
            "LRD604",
            "eta_min",
            AssertionError,
            id="restart without minimum",
        ),
        pytest.param(
            {"type": "CosineRestartLR", "periods": [6, 6], "eta_min": 0},
            "LRD604",
            "restart_weights",
            AssertionError,
            id="restart weights",
        ),
        pytest.param({"type": "StepLR", "step_size": 0}, "LRD604", "step_size", ZeroDivisionError, id="step_size 0"),
        pytest.param({"type": "MultiStepLR", "milestones": 8}, "LRD604", "milestones", TypeError, id="one milestone"),
        # Momentum like the lr.
        pytest.param(
            {"type": "LinearMomentum", "start_factor": 2, "end": 3}, "LRD602", "start_factor", ValueError, id="momentum"
        ),
        pytest.param(
            {"type": "CosineAnnealingMomentum", "begin": 4, "end": 4}, "LRD604", "end", ValueError, id="momentum: empty"
        ),
        pytest.param({"type": "StepMomentum"}, "LRD604", "step_size", TypeError, id="momentum: no step_size"),
        pytest.param(
            {"type": "CosineAnnealingMomentum", "eta_min": 0.8, "eta_min_ratio": 0.9},
            "LRD604",
            "eta_min_ratio",
            AssertionError,
            id="momentum: two minima",
        ),
        pytest.param(
            {"type": "StepParamScheduler", "step_size": 2}, "LRD604", "param_name", TypeError, id="no param_name"
        ),
        pytest.param(
            {"type": "StepParamScheduler", "step_size": 2, "param_name": "momentun"},
            "LRD604",
            "param_name",
            KeyError,
            id="param_name of none",
        ),
        pytest.param({**COSINE, "min_lr": 1e-6}, "LRD604", "min_lr", TypeError, id="min_lr"),
        pytest.param({"type": "MultiStepLR", "step": [8, 11]}, "LRD604", "step", TypeError, id="step"),
        pytest.param({"type": "StepLR", "gamma": 0.5}, "LRD604", "step_size", TypeError, id="no step_size"),
        pytest.param({"type": "MultiStepLr", "milestones": [8, 11]}, "LRD604", "type", AttributeError, id="case"),
        pytest.param({"type": "CosineAnealingLR", "T_max": 12}, "LRD604", "type", AttributeError, id="misspelt"),
    ],
)
def test_refused(scheduler: dict[str, Any], code: str, option: str, error: type[Exception]) -> None:
    (finding,) = findings_of(described([scheduler]), [rule for rule in RULES if rule.code.startswith("LRD6")])
    assert (finding.code, finding.severity, finding.option) == (code, "error", f"param_scheduler[0].{option}")
    with pytest.raises(error):
        trained([scheduler])


@pytest.mark.parametrize(
    ("eta_min", "fix", "automatic"),
    [
        (None, "did you mean eta_min=1e-06?", [True]),
        (1e-6, "remove min_lr: eta_min already has the same value", [True]),
        (1e-5, "remove min_lr, or rename it: eta_min=1e-06 instead of eta_min=1e-05", [False, False]),
    ],
)
def test_a_misspelt_setting_beside_the_right_one(eta_min: float | None, fix: str, automatic: list[bool]) -> None:
    scheduler = {**COSINE, "min_lr": 1e-6} | ({} if eta_min is None else {"eta_min": eta_min})
    (finding,) = findings_of(described([scheduler]), [find_rule("LRD604")])
    assert (finding.fix, [each.automatic for each in finding.fixes]) == (fix, automatic)
    for each in finding.fixes:
        config = {"param_scheduler": [{**scheduler}]}
        apply_edits(config, each.edits)
        trained(config["param_scheduler"])


@pytest.mark.parametrize("monitor", [None, "loss", "loss_cls", "train/loss"])
def test_a_training_loss_is_not_a_validation_metric(monitor: str | None) -> None:
    named = {} if monitor is None else {"monitor": monitor}
    (finding,) = findings_of(described([{"type": "ReduceOnPlateauLR", **named}]), [find_rule("LRD604")])
    assert (finding.severity, finding.option) == ("error", "param_scheduler[0]" + (".monitor" if monitor else ""))
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    with pytest.raises(KeyError, match="is not in dict"):
        mmengine_schedulers.ReduceOnPlateauLR(optimizer, **named).step({"coco/bbox_mAP": 0.4})


def refused(config: dict[str, Any], options: dict[str, Any]) -> tuple[RefusedScheduler, ...]:
    """Return mmengine's error for a config's schedulers on the two groups."""
    found = described([])
    groups = tuple(msgspec.structs.replace(group, options=options) for group in found.groups)
    wrapper = {"optimizer": {"type": "SGD", "lr": LRS[1]}}
    train_cfg = {"by_epoch": True, "max_epochs": EPOCHS}
    loaded = Config({"optim_wrapper": wrapper, "train_cfg": train_cfg, **config})
    return refused_schedulers(loaded, msgspec.structs.replace(found, groups=groups))


@pytest.mark.parametrize(
    ("schedulers", "errors"),
    [
        pytest.param([COSINE, {**LINEAR, "by_epoch": False, "end": 500}], [], id="none"),
        pytest.param(
            [LINEAR, {**COSINE, "T_max": [12]}, {**STEPS, "milestones": [None]}],
            [("param_scheduler[1]", "TypeError")],
            id="by its type",
        ),
        pytest.param([STEPS, {"type": "OtherLR"}], [("param_scheduler[1].type", "unknown")], id="a class of nobody"),
        pytest.param([{"milestones": [8]}], [("param_scheduler", "no 'type'")], id="without a type"),
        pytest.param("CosineAnnealingLR", [("param_scheduler", "not a dict")], id="a name"),
        pytest.param({"head": [COSINE]}, [("param_scheduler", "only one optimizer")], id="by names"),
        pytest.param(
            [{"type": "CosineAnnealingMomentum"}], [("param_scheduler[0]", "must support momentum")], id="no momentum"
        ),
        pytest.param([{**PLATEAU, "factor": 2}, COSINE], [("param_scheduler[0]", "Factor")], id="one of two"),
        pytest.param([{**ONE_CYCLE, "total_steps": 5}], [("param_scheduler[0]", "Tried to step")], id="its last step"),
    ],
)
def test_errors_of_mmengine_are_recorded(schedulers: Any, errors: list[tuple[str, str]]) -> None:
    found = refused({"param_scheduler": schedulers}, {"nesterov": False})
    assert [each.option for each in found] == [option for option, _ in errors], found
    assert all(words in one.problem for one, (_, words) in zip(found, errors, strict=True)), found


def test_recorded_errors_are_reported_unless_the_settings_explain_them() -> None:
    schedulers = [{**COSINE, "T_max": [12]}, {**COSINE, "end": 0}, {"type": "OtherLR"}]
    recorded = refused({"param_scheduler": schedulers}, {"momentum": 0.9})
    assert len(recorded) == 3
    found = described(schedulers)
    training = msgspec.structs.replace(found.training, refused_schedulers=recorded)
    findings = findings_of(msgspec.structs.replace(found, training=training), [find_rule("LRD604")])
    assert [finding.option.removeprefix("param_scheduler") for finding in findings] == ["[1].end", "[0]", "[2].type"]


def test_a_scheduler_of_an_unknown_optimizer() -> None:
    found = described([{"backbone": [COSINE], "head": [STEPS], "neck": [STEPS]}])
    named = msgspec.structs.replace(found.optimizer, types={"backbone": "SGD", "head": "SGD"})
    (finding,) = findings_of(msgspec.structs.replace(found, optimizer=named), [find_rule("LRD610")])
    assert (finding.severity, finding.option) == ("warning", "param_scheduler.neck")


def test_classes_are_those_that_are_registered() -> None:
    import mmdet.engine  # noqa: F401
    import mmpretrain.engine  # noqa: F401
    from mmdet.registry import PARAM_SCHEDULERS as OF_MMDET
    from mmpretrain.registry import PARAM_SCHEDULERS as OF_MMPRETRAIN

    classes = {
        name: kind
        for registry in (PARAM_SCHEDULERS, OF_MMDET, OF_MMPRETRAIN)
        for name, kind in registry.module_dict.items()
        if kind.__module__.partition(".")[0] in ("mmengine", "mmdet", "mmpretrain")
    }
    assert "CosineAnnealingWeightDecay" in classes
    assert {*classes} <= {*CLASSES}


@pytest.mark.parametrize("kind", ["WarmupCosineAnnealingLR", "CosineAnnealingWarmLR", "MyMultiStepLR"])
def test_a_class_of_ones_own_is_left_alone(kind: str) -> None:
    assert codes(described([{"type": kind}])) == set()


def test_settings_are_those_of_mmengine() -> None:
    classes = [kind for name, kind in vars(mmengine_schedulers).items() if name.endswith("LR")]
    found = {}
    for kind in classes:
        taken = inspect.signature(kind.__mro__[2].__init__).parameters
        own = {name: one for name, one in taken.items() if name not in ("self", "optimizer", *COMMON)}
        family = kind.__name__.removesuffix("LR")
        found[family] = ({*own}, {name for name, one in own.items() if one.default is one.empty})
    assert found == {family: ({*names}, {*REQUIRED.get(family, ())}) for family, names in SETTINGS.items()}
