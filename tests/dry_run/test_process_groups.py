"""An optimizer that keeps a process group: it steps as the one that it shards, and nothing is left initialised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch.distributed
from mmengine.config import Config

from lrdecay_cli.app.shell.main import run
from tests.dry_run.trainings import BASE, KEYS

SETTINGS = dict(lr=0.1, weight_decay=0.05)


@pytest.mark.parametrize("gpus", ["1", "4"])
def test_a_sharded_optimizer_is_measured_as_the_one_inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gpus: str
) -> None:
    found = []
    for optimizer in (dict(type="AdamW"), dict(type="ZeroRedundancyOptimizer", optimizer_type="AdamW")):
        path = tmp_path / "config.py"
        Config({**BASE, "optim_wrapper": dict(optimizer=dict(optimizer, **SETTINGS), paramwise_cfg=KEYS)}).dump(path)
        assert run(["dry-run", str(path), "--iters-per-epoch", "5", "--gpus", gpus, "--format", "json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["step_error"], document["unmoved"]) == (None, [])
        found.append([(group["name"], group["effect"], group["first"], group["last"]) for group in document["groups"]])
    assert found[0] == found[1]
    assert not torch.distributed.is_initialized()
