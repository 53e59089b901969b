"""An optimizer with a process group steps like the optimizer that it shards; no process group remains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch.distributed
from mmengine.config import Config

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.rules import Example
from tests.dry_run.trainings import BASE, KEYS
from tests.rules.examples import dry_run_of

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


_TWO = """\
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
$CONSTRUCTOR
class Two:
    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        pass
    def __call__(self, model):
        model = getattr(model, 'module', model)
        parts = {'backbone': model.backbone, 'head': model.head}
        sgd = {name: torch.optim.SGD(part.parameters(), lr=0.1) for name, part in parts.items()}
        return OptimWrapperDict(**{name: OptimWrapper(each) for name, each in sgd.items()})
"""


def test_groups_of_several_optimizers_are_named_alike_under_a_wrapper(tmp_path: Path) -> None:
    """``schedule`` finds the groups in the map by these names."""
    config = "model_wrapper_cfg = dict(type='MMDistributedDataParallel')\noptim_wrapper = dict(constructor='Two')"
    record, group_map = dry_run_of(Example(config, _TWO), tmp_path)
    assert [group.name for group in record.groups] == ["backbone.group_0", "head.group_0"]
    assert [group.name for group in group_map.groups] == ["backbone.group_0", "head.group_0"]
