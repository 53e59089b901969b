"""LRD829 compared with mmengine's Runner: a reported lr is the real first lr of the group at this position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from msgspec import UNSET

from lrdecay_cli.domain.training import PositionedLr
from lrdecay_cli.openmmlab.schedulers.lr_hooks import positioned_lrs
from lrdecay_cli.rules import find_rule
from lrdecay_cli.rules.running import findings_of
from tests.rules.examples import dry_run_of

RULE = find_rule("LRD829")


def test_a_dry_run_observes_that_lr_and_the_rule_names_it(tmp_path: Path) -> None:
    record, group_map = dry_run_of(RULE.bad, tmp_path)
    (positioned,) = group_map.training.positioned_lrs or ()
    assert positioned == PositionedLr("WarmUp", "default_hooks.param_scheduler", 2, 0.1, "bias_lr")
    first = [group.first.lr for group in record.groups]
    assert first[2] == positioned.lr
    assert {lr for position, lr in enumerate(first) if position != 2} == {0}
    (found,) = findings_of(group_map, [RULE])
    of = record.groups[2]
    assert of.built_lr is not None
    times = f"{0.1 / of.built_lr:,.0f} times its lr 1.68e-05"
    assert found.message == f"WarmUp sets lr 0.1 in {of.name}, the group at index 2, {times}"
    assert of.name == "layer_2_no_decay"
    assert found.fix == "set default_hooks.param_scheduler.bias_lr=0.0"


@HOOKS.register_module()
class SetsByPosition(Hook):
    """A hook that sets lrs, different in each case."""

    def __init__(self, lrs: dict[int, float], relative: bool = False, reads: str = "") -> None:
        self.lrs, self.relative, self.reads = lrs, relative, reads

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if self.reads:
            getattr(runner, self.reads)
        for position, group in enumerate(runner.optim_wrapper.optimizer.param_groups):
            if position in self.lrs:
                group["lr"] = self.lrs[position] * (group["lr"] if self.relative else 1.0)


@pytest.mark.parametrize(
    ("settings", "groups", "found"),
    [
        ({"lrs": {2: 0.1}}, 5, [(2, 0.1)]),
        ({"lrs": {0: 0.3, 3: 0.2}}, 5, [(0, 0.3), (3, 0.2)]),
        ({"lrs": {7: 0.1}}, 5, []),
        # If all groups get the same lr, the position does not matter; a factor is the config's own choice.
        ({"lrs": dict.fromkeys(range(5), 0.1)}, 5, []),
        ({"lrs": {2: 0.1}, "relative": True}, 5, []),
        # This hook cannot be run alone; with two groups it is unclear which is the exception.
        ({"lrs": {2: 0.1}, "reads": "model"}, 5, []),
        ({"lrs": {1: 0.1}}, 2, []),
    ],
)
def test_hooks_that_set_lrs_by_position(settings: dict[str, Any], groups: int, found: list[tuple[int, float]]) -> None:
    hook = {"type": "SetsByPosition", "priority": "LOW", **settings}
    config = Config({"custom_hooks": [{"type": "EMAHook"}, None, hook]})
    positions = positioned_lrs(config, groups)
    assert [(each.position, each.lr) for each in positions or ()] == found
    assert positions is UNSET or {each.option for each in positions} == {"custom_hooks[2]"}
