"""``ParamGroupAuditHook(log_lr=True)``: values that mmengine's Visualizer writes, compared with the live groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from lrdecay_cli.training import ParamGroupAuditHook  # noqa: F401 - registers itself
from tests.dry_run.trainings import BASE, TRAININGS, Seen, config_of, train

HOOK = dict(type="ParamGroupAuditHook", log_lr=True)
LOGS = dict(checkpoint=None, logger=dict(type="LoggerHook", interval=2))


def trained(config: Config, folder: Path, **hook: Any) -> tuple[Seen, list[dict[str, Any]]]:
    """Return the lrs that the training used, and the lines of its scalars.json."""
    config = Config(config._cfg_dict.to_dict())
    config.default_hooks = {**LOGS, **{k: v for k, v in config.default_hooks.items() if k == "param_scheduler"}}
    config.custom_hooks = [*(config.get("custom_hooks") or []), {**HOOK, **hook}]
    seen = train(config, folder)
    (log,) = folder.glob("*/vis_data/scalars.json")
    return seen, [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "curves"),
    [
        # By curve, the index of a group in the optimizer.
        ("warm-up and steps", {"backbone": 0, "head": -1}),
        ("a cosine by epoch", {"backbone": 0, "head": -1}),
        ("momentum goes along", {"backbone+head": 0}),
        ("auto_scale_lr", {"backbone": 0, "head": -1}),
        ("an iteration-based loop", {"backbone": 0, "head": -1}),
        ("two optimizers", {"generator/generator": 0, "discriminator/discriminator": 1}),
        ("a hook takes the schedulers' place", {"backbone": 0, "head": -1}),
    ],
)
def test_every_curve_is_logged_where_the_log_prints(name: str, curves: dict[str, int], tmp_path: Path) -> None:
    seen, lines = trained(config_of(name), tmp_path)
    for step, logged in curves_of(lines).items():
        assert logged == {curve: seen.lrs[step - 1][position] for curve, position in curves.items()}


def curves_of(lines: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """Return lrdecay's values by step; they are logged in the same steps as those of LoggerHook."""
    ours = {line["step"]: line for line in lines if "loss" not in line}
    assert [*ours] == [line["step"] for line in lines if "loss" in line] != []
    return {
        step: {key.removeprefix("lr/"): value for key, value in line.items() if key != "step"}
        for step, line in ours.items()
    }


def test_layers_are_named_by_their_ids(tmp_path: Path) -> None:
    seen, lines = trained(config_of("layer decay and a cosine by iteration"), tmp_path)
    for step, logged in curves_of(lines).items():
        assert {*logged} == {f"layer_{layer}" for layer in (0, 1, 2, 3, 6, 7)}
        assert {*logged.values()} == {*seen.lrs[step - 1]}
        for name, lr in logged.items():
            assert lr == pytest.approx(logged["layer_7"] * 0.7 ** (7 - int(name.removeprefix("layer_"))), rel=1e-12)


def test_groups_that_a_hook_parts_are_logged_one_by_one(tmp_path: Path) -> None:
    seen, lines = trained(config_of("a hook sets the lr"), tmp_path)
    for step, logged in curves_of(lines).items():
        assert [*logged.values()] == seen.lrs[step - 1]
        assert "head.weight" in logged


@HOOKS.register_module(force=True)
class DryLateGroup(Hook):
    """Adds a group in the middle of the training, as hooks that unfreeze a backbone do."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter == 6:
            runner.model.register_parameter("late", torch.nn.Parameter(torch.zeros(1)))
            runner.optim_wrapper.optimizer.add_param_group({"params": [runner.model.late], "lr": 0.5})


def test_a_group_that_a_hook_adds_is_logged_from_there_on(tmp_path: Path) -> None:
    config = config_of("no schedulers")
    config.custom_hooks = [dict(type="DryLateGroup")]
    seen, lines = trained(config, tmp_path)
    by_step = curves_of(lines)
    assert {step: logged.get("late") for step, logged in by_step.items()} == {
        step: 0.5 if step > 6 else None for step in by_step
    }
    for step, logged in by_step.items():
        assert {*logged.values()} == {*seen.lrs[step - 1]}


def test_it_is_off_by_default_and_follows_the_logger_hook(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, lines = trained(config_of("warm-up and steps"), tmp_path / "off", log_lr=False)
    assert not any(key.startswith("lr/") for line in lines for key in line)
    config = Config({**BASE, **TRAININGS["warm-up and steps"], "custom_hooks": [HOOK]})
    config.default_hooks = dict(checkpoint=None, logger=None)
    train(config, tmp_path / "none", log_level="INFO")
    assert "log_lr logs nothing without LoggerHook; set default_hooks.logger" in "".join(capfd.readouterr())
    assert not [*(tmp_path / "none").glob("*/vis_data/scalars.json")]
