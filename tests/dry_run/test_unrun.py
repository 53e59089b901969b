"""Code that neither a group map nor a dry run executes is listed if a real training shows that it matters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, LOOPS, MODELS
from mmengine.runner import EpochBasedTrainLoop, Runner

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files.schema import document_schema
from lrdecay_cli.openmmlab.unrun_code import unrun_code
from tests.dry_run.trainings import BASE, DryToy, config_of, train

HERE = dict(imports=["tests.dry_run.trainings", "tests.dry_run.test_unrun", "mmdet.engine.optimizers"])


@MODELS.register_module(force=True)
class UnrunFreezingToy(DryToy):
    """Freezes its backbone depending on the batch that it trains on."""

    def train_step(self, data: Any, optim_wrapper: Any) -> Any:
        self._freeze()
        return super().train_step(data, optim_wrapper)

    def _freeze(self) -> None:
        for parameter in self.backbone.parameters():
            parameter.requires_grad = False


@MODELS.register_module(force=True)
class UnrunReadingToy(DryToy):
    """Reads ``requires_grad`` as mmdet's backbones do for checkpointing, and sets that of a feature map."""

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "loss") -> dict[str, torch.Tensor]:
        assert not inputs[0].requires_grad
        features = inputs[0].clone()
        features.requires_grad = True
        return super().forward(inputs, data_samples, mode)


@MODELS.register_module(force=True)
class UnrunFreezingNeck(DryToy):
    """Freezes a module at once."""

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "loss") -> dict[str, torch.Tensor]:
        self.backbone.requires_grad_(False)
        return super().forward(inputs, data_samples, mode)


@LOOPS.register_module(force=True)
class UnrunLoop(EpochBasedTrainLoop):  # type: ignore[misc]
    """Halves every lr in its own code."""

    def run_epoch(self) -> None:
        for group in self.runner.optim_wrapper.param_groups:
            group["lr"] /= 2
        super().run_epoch()


@HOOKS.register_module(force=True)
class UnrunQuietHook(Hook):
    """It calls a function with unknown code."""

    def before_train(self, runner: Runner) -> None:
        torch.cuda.is_available()


def written(folder: Path, **settings: Any) -> tuple[Config, Path]:
    config = Config({**BASE, "custom_imports": HERE, "param_scheduler": None, **settings})
    config.dump(folder / "config.py")
    return config, folder / "config.py"


HOOK_CASES = {
    "a hook that freezes": (dict(custom_hooks=[dict(type="DryFreezeHook", at=0)]), ("DryFreezeHook", ("freezing",))),
    "a hook that sets the lr": (
        dict(default_hooks=dict(BASE["default_hooks"], param_scheduler=dict(type="DryInPlaceOfSchedulers"))),
        ("DryInPlaceOfSchedulers", ("lr",)),
    ),
    "a hook that calls others": (dict(custom_hooks=[dict(type="UnrunQuietHook")]), ("UnrunQuietHook", ())),
    "a loop": (dict(train_cfg=dict(type="UnrunLoop", max_epochs=2)), ("UnrunLoop", ("lr",))),
    "DeepSpeed": (
        dict(runner_type="FlexibleRunner", strategy=dict(type="DeepSpeedStrategy")),
        ("DeepSpeedStrategy", ("groups",)),
    ),
    "mmengine's own hooks": (
        dict(custom_hooks=[dict(type="EMAHook"), dict(type="EarlyStoppingHook", monitor="x")]),
        None,
    ),
    "mmdet's own hooks": (dict(custom_hooks=[dict(type="mmdet.YOLOXModeSwitchHook", num_last_epochs=1)]), None),
    "FSDP": (dict(runner_type="FlexibleRunner", strategy=dict(type="FSDPStrategy")), None),
    "an iteration-based loop": (dict(train_cfg=dict(type="IterBasedTrainLoop", max_iters=2)), None),
}


@pytest.mark.parametrize(("settings", "found"), HOOK_CASES.values(), ids=HOOK_CASES)
def test_code_that_acts_in_the_training_alone(
    settings: dict[str, Any], found: tuple[str, tuple[str, ...]] | None
) -> None:
    unrun = unrun_code(Config({**BASE, "custom_imports": HERE, "param_scheduler": None, **settings}))
    assert [(each.name, each.may) for each in unrun or ()] == ([found] if found else [])


def test_inspect_and_check_name_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, path = written(tmp_path, custom_hooks=[dict(type="DryFreezeHook", at=0)])
    seen = train(config, tmp_path / "real")
    assert {name.partition(".")[0] for name in seen.moved} == {"head"}
    notes = (
        "the group map does not show the effect of code that runs only during training\n"
        "  DryFreezeHook (custom_hooks[0]) may freeze parameters\n"
        f"  to run hooks: lrdecay dry-run {path}\n"
    )
    exported = tmp_path / "map.json"
    assert run(["inspect", str(path), "-o", f"json={exported}", "--format", "text"]) == 0
    out = capsys.readouterr().out
    assert notes in out
    assert "; 0 frozen" in out
    Draft202012Validator(document_schema("map")).validate(json.loads(exported.read_text()))
    assert run(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert notes in out
    assert "read without a config" not in out
    assert run(["check", str(exported), "--format", "text", "-o", f"json={tmp_path}/check.json"]) == 0
    out = capsys.readouterr().out
    assert notes in out
    assert f"{exported}: read without a config, so findings have no file locations, and suppressions in comments" in out
    other = tmp_path / "other.json"
    other.write_text(exported.read_text().replace('"freezing"', '"lr"'))
    assert run(["diff", str(exported), str(other)]) == 0
    out = capsys.readouterr().out
    assert (
        "after: the group map does not show the effect of code that runs only during training\n"
        "  DryFreezeHook (custom_hooks[0]) may set"
    ) in out
    assert run(["diff", str(exported), str(exported)]) == 0
    assert "the group map does not show" not in capsys.readouterr().out
    document = json.loads((tmp_path / "check.json").read_text())
    Draft202012Validator(document_schema("check")).validate(document)
    assert [each["read"] for each in document["checked"]] == [True]


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        (
            dict(model=dict(type="UnrunFreezingToy")),
            "UnrunFreezingToy: its train_step() sets requires_grad and needs data to run",
        ),
        (
            dict(model=dict(type="UnrunFreezingNeck")),
            "UnrunFreezingNeck: its forward() sets requires_grad and needs data to run",
        ),
        (
            dict(train_cfg=dict(type="UnrunLoop", max_epochs=2)),
            "UnrunLoop: this loop has its own run method, but the dry run used mmengine's run method",
        ),
    ],
)
def test_a_dry_run_names_code_that_it_does_not_reach(
    settings: dict[str, Any], note: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, path = written(tmp_path, **settings)
    real = train(config, tmp_path / "real")
    first, last = real.lrs[0], real.lrs[max(real.lrs)]
    # The effect that the dry run cannot see exists in training.
    assert {name.partition(".")[0] for name in real.moved} == {"head"} or last != first
    assert run(["dry-run", str(path), "--iters-per-epoch", "5", "-o", f"json={tmp_path}/json", "--format", "text"]) == 0
    out = capsys.readouterr().out
    assert f"warning: some parts of the config could not run here, so their changes are unknown\n  {note}\n" in out
    document = json.loads((tmp_path / "json").read_text())
    assert [each["name"] for each in document["left_out"] if each["failed"]] == [note.partition(":")[0]]


@pytest.mark.parametrize("model", ["UnrunReadingToy", "DryToy"])
def test_a_dry_run_lists_ordinary_code_that_it_does_not_run(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, path = written(tmp_path, model=dict(type=model, frozen=1))
    assert run(["dry-run", str(path), "--iters-per-epoch", "5"]) == 0
    out = capsys.readouterr().out
    assert "\nforward, loss and backward are not run, so changes that they make are not detected\n" in out
    assert "could not run here" not in out


def test_ordinary_trainings_name_nothing() -> None:
    assert not unrun_code(config_of("warm-up and steps"))
