"""Dry runs of the zoos' configs end with a report or one line, without the network, and leave nothing behind.

The table has all configs that build. A sample runs by default, the others with ``pytest --whole-zoo`` (15 minutes).
``--update-golden`` writes the rows again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from mmdet.engine.hooks import MeanTeacherHook, MemoryProfilerHook
from mmengine.hooks import EMAHook, ParamSchedulerHook
from mmpretrain.engine.hooks import DenseCLHook, SimSiamHook, SwAVHook

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.dry_run import dry_run
from lrdecay_cli.openmmlab.schedulers.lr_hooks import is_inert
from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan
from tests.golden import Golden, Row, Table
from tests.openmmlab.network import network_refused
from tests.openmmlab.zoo import sample, statuses


def daily() -> list[str]:
    """Configs that run by default."""
    return [row.config for row in sample(statuses()) if row.status == "ok"][::4]


def configs() -> list[str]:
    """Every config that gives a map, in the order of the zoos."""
    return [row.config for row in statuses() if row.status == "ok"]


TRAININGS = Table(
    Path(__file__).with_name("zoo_trainings.csv"),
    ("config", "status", "frozen", "frozen_by", "lr_set_by", "hooks_left_out", "groups", "groups_off"),
    configs,
)
"""Frozen parameters at the end, of all; hooks that do more than log; groups, and groups with other steps."""
_LOGGING = ("CheckpointHook", "LoggerHook", "ProfilerHook", "IterTimerHook", "RuntimeInfoHook")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "config" in metafunc.fixturenames:
        metafunc.parametrize("config", TRAININGS.keys if metafunc.config.getoption("--whole-zoo") else daily())


def row_of(config: str) -> Row:
    try:
        planned = load_plan(config)
        length = run_length(planned.plan, iterations_per_epoch=4)
        run = dry_run(planned, length, batch_size=2, steps=2).record
    except LrdecayError as error:
        return (config, error.status, "", "", "", "", "", "")
    left_out = [left.name for left in run.left_out if left.name not in _LOGGING]
    setters = [cause.name for group in run.groups for cause in group.causes if cause.stage not in ("param_scheduler",)]
    return (
        config,
        "step fails" if run.step_error else "ok",
        str(len(run.frozen)),
        " ".join(dict.fromkeys(change.cause.name for change in run.states)),
        " ".join(dict.fromkeys(setters)),
        " ".join(left_out),
        str(len(run.groups)),
        str(sum(group.effect.deviates for group in run.groups if group.effect)),
    )


def test_it_is_as_in_the_table(config: str, golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with network_refused() as attempts:
        row = row_of(config)
    assert attempts == []
    # PyTorch's compiler creates its cache folder on import.
    assert [path for path in tmp_path.iterdir() if not path.name.startswith("torchinductor_")] == []
    golden.check_rows(TRAININGS, config, [row])


def test_hooks_of_the_stack_that_leave_lrs_alone_do_not_act_in_each_iteration() -> None:
    """The semi-supervised configs have 180,000 iterations, and each of them updates a teacher."""
    inert = (MeanTeacherHook, MemoryProfilerHook, DenseCLHook, EMAHook)
    # These hooks step schedulers, set an lr, or set requires_grad.
    acting = (ParamSchedulerHook, SimSiamHook, SwAVHook)
    assert [*map(is_inert, (*inert, *acting))] == [True] * len(inert) + [False] * len(acting)
