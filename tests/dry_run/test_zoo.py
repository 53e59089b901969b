"""Configs of the zoos go through a dry run: with a report or one line, without the network, with nothing left behind.

The table has those of a seeded sample of all that build. Some run by default, the others with ``pytest --whole-zoo``
(minutes). ``--update-golden`` writes the rows anew.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.dry_run import dry_run
from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan
from tests.golden import Golden, Row, Table
from tests.openmmlab.network import network_refused
from tests.openmmlab.zoo import sample, statuses

SWEPT = 250


def daily() -> list[str]:
    """Those that run by default."""
    return [row.config for row in sample(statuses()) if row.status == "ok"][::4]


def swept() -> list[str]:
    """Those of the table, in the order of the zoos."""
    configs = [row.config for row in statuses() if row.status == "ok"]
    shuffled = configs.copy()
    random.Random(13).shuffle(shuffled)
    chosen = {*shuffled[:SWEPT], *daily()}
    return [config for config in configs if config in chosen]


TRAININGS = Table(
    Path(__file__).with_name("zoo_trainings.csv"),
    ("config", "status", "frozen", "frozen_by", "lr_set_by", "hooks_left_out", "groups", "groups_off"),
    swept,
)
"""Frozen at the end, of all parameters; no hooks that only log; groups, and those whose step is another than their lr
says."""
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
    # PyTorch's compiler makes the folder of its cache as it is imported.
    assert [path for path in tmp_path.iterdir() if not path.name.startswith("torchinductor_")] == []
    golden.check_rows(TRAININGS, config, [row])
