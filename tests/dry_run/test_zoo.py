"""Every config of the zoos that builds goes through a dry run: with a report or one line, and without the network.

A sample runs by default, every config with ``pytest --whole-zoo`` (an hour). ``--update-golden`` writes the table
of trainings anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.dry_run import dry_run
from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan
from tests.golden import Golden, Row, Table
from tests.openmmlab.network import network_refused
from tests.openmmlab.zoo import sample, statuses

TRAININGS = Table(
    Path(__file__).with_name("zoo_trainings.csv"),
    ("config", "status", "frozen", "frozen_by", "lr_set_by", "hooks_left_out"),
    lambda: [row.config for row in statuses() if row.status == "ok"],
)
"""Frozen at the end, of all parameters; no hooks that only log."""
_LOGGING = ("CheckpointHook", "LoggerHook", "ProfilerHook", "IterTimerHook", "RuntimeInfoHook")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "config" in metafunc.fixturenames:
        sampled = [row.config for row in sample(statuses()) if row.status == "ok"][::4]
        metafunc.parametrize("config", TRAININGS.keys if metafunc.config.getoption("--whole-zoo") else sampled)


def row_of(config: str) -> Row:
    try:
        planned = load_plan(config)
        length = run_length(planned.plan, iterations_per_epoch=4)
        run, _ = dry_run(planned, length, batch_size=2, steps=2)
    except LrdecayError as error:
        return (config, error.status, "", "", "", "")
    left_out = [left.name for left in run.left_out if left.name not in _LOGGING]
    setters = [cause.name for group in run.groups for cause in group.causes if cause.stage not in ("param_scheduler",)]
    return (
        config,
        "step fails" if run.step_error else "ok",
        str(len(run.frozen)),
        " ".join(dict.fromkeys(change.cause.name for change in run.states)),
        " ".join(dict.fromkeys(setters)),
        " ".join(left_out),
    )


def test_it_is_as_in_the_table(config: str, golden: Golden) -> None:
    with network_refused() as attempts:
        row = row_of(config)
    assert attempts == []
    golden.check_rows(TRAININGS, config, [row])
