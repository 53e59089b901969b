"""The lrs that ``schedule`` shows for a training with hooks that set the lr, compared with mmengine's own Runner."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mmdet.registry import HOOKS as MMDET_HOOKS
from mmengine.config import Config
from mmengine.registry import HOOKS
from mmpretrain.registry import HOOKS as MMPRETRAIN_HOOKS

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files.schema import document_schema
from lrdecay_cli.openmmlab.schedulers.lr_hooks import lr_hooks
from tests.dry_run.test_truth import saved
from tests.dry_run.trainings import BASE, ITERATIONS, TRAININGS, config_of, train

TWICE = dict(custom_hooks=[dict(type="ParamSchedulerHook")])
OTHERS: dict[str, dict[str, Any]] = {
    "schedulers are stepped twice": TWICE,
    "stepped twice, in converted epochs": dict(
        TWICE, param_scheduler=TRAININGS["a cosine by epoch"]["param_scheduler"]
    ),
    "the hook in another place": dict(
        default_hooks=dict(BASE["default_hooks"], param_scheduler=None),
        custom_hooks=[dict(type="ParamSchedulerHook", priority="VERY_HIGH")],
    ),
    "a hook under a key of its own": dict(
        default_hooks=dict(BASE["default_hooks"], mine=dict(type="DryLrHook", priority="VERY_LOW"))
    ),
    "momentum and schedulers by hook": dict(TRAININGS["momentum goes along"], **TWICE),
}
CHOSEN = [
    "a hook sets the lr", "a hook takes the schedulers' place", "nobody steps the schedulers",
    "a hook takes weight decay away", "a hook freezes in the middle", "EMA", "warm-up and steps", *OTHERS,
]  # fmt: skip


def config_for(name: str, folder: Path) -> Config:
    return saved(Config({**BASE, **OTHERS[name]}) if name in OTHERS else config_of(name), folder)


def scheduled(folder: Path, *options: str, code: int = 0) -> dict[str, Any]:
    written = folder / "schedule.json"
    assert run(["schedule", str(folder / "config.py"), "-o", f"json={written}", *options]) == code
    document: dict[str, Any] = json.loads(written.read_text())
    Draft202012Validator(document_schema("schedule")).validate(document)
    return document


@pytest.mark.parametrize("name", CHOSEN)
def test_every_iteration_is_as_in_the_real_training(name: str, tmp_path: Path) -> None:
    config = config_for(name, tmp_path)
    seen = train(config, tmp_path / "real")
    document = scheduled(tmp_path, "--iters-per-epoch", str(ITERATIONS), "--every", "1")
    lrs: dict[str, list[float]] = {}
    for curve in document["curves"]:
        lrs.update(dict.fromkeys(curve["groups"], curve["values"]["lr"]))
    found = [lrs[f"group_{index}"] for index in range(len(lrs))]
    assert dict(zip(document["samples"], map(list, zip(*found, strict=True)), strict=True)) == seen.lrs


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a hook sets the lr", "DryLrHook.before_train_iter sets the lr of every group, first at iteration 0"),
        ("a hook takes the schedulers' place", "DryInPlaceOfSchedulers.before_train_iter sets the lr of every group"),
        (
            "nobody steps the schedulers",
            "warning: no hook calls step() of LinearLR and MultiStepLR: every lr keeps its value of iteration 0",
        ),
        (
            "schedulers are stepped twice",
            "warning: hooks step LinearLR at param_scheduler[0] 40 times in 20 iterations, so this scheduler",
        ),
        ("a hook freezes in the middle", "DryFreezeHook.before_train_iter freezes 18 tensors at iteration 7"),
        ("warm-up and steps", "scheduler             LinearLR, lr, iterations 0 to 3, warm-up: start_factor=0.1"),
    ],
)
def test_the_text_names_what_sets_the_lr(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_for(name, tmp_path)
    assert run(["schedule", str(tmp_path / "config.py"), "--iters-per-epoch", str(ITERATIONS)]) == 0
    text = capsys.readouterr().out
    assert message in text
    assert ("a dry run of the training" in text) == (name != "warm-up and steps")


def test_a_hook_that_cannot_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hooks = [
        dict(type="DryDataHook"),
        dict(type="mmdet.NumClassCheckHook"),
        dict(type="EMAHook", momentum=1.5),
        dict(type="NoSuchHook"),
        dict(type="DryValidationHook"),
    ]
    loader = {**BASE["train_dataloader"], "dataset": dict(type="DryNoise")}
    validating = dict(val_cfg=dict(), val_dataloader=loader, val_evaluator=dict(type="DumpResults"))
    saved(Config({**BASE, **validating, "custom_hooks": hooks, "param_scheduler": None}), tmp_path)
    assert run(["schedule", str(tmp_path / "config.py"), "--iters-per-epoch", str(ITERATIONS)]) == 0
    text = capsys.readouterr().out
    assert "warning: these hooks could not run here, so lrs that they set are not shown\n" in text
    assert "DryDataHook: before_train_iter fails in the dry run, which has no data (TypeError: " in text
    assert "NumClassCheckHook: before_train_epoch fails in the dry run, which has no data (AttributeError: " in text
    assert "EMAHook: before_run fails, also in the training (AssertionError: " in text
    (unknown,) = (
        line for line in text.splitlines() if line.startswith("  NoSuchHook: the hook cannot be built in the")
    )
    assert unknown.endswith("; the training may fail too")
    problem = "validation is not run, so changes that these hooks make in validation are not shown"
    assert f"{problem}\n  DryValidationHook: after_val_epoch may change anything" in text


def test_an_lr_by_epoch_needs_no_length_of_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_for("a hook takes the schedulers' place", tmp_path)
    seen = train(config, tmp_path / "real")
    document = scheduled(tmp_path)
    assert (document["length"]["unit"], document["samples"]) == ("epoch", [0, 1, 2, 3])
    first = next(curve for curve in document["curves"] if "group_0" in curve["groups"])
    assert first["values"]["lr"] == [seen.lrs[epoch * ITERATIONS][0] for epoch in range(4)]
    config_for("a hook under a key of its own", tmp_path)
    text = (tmp_path / "config.py").read_text().replace("by_epoch=False", "by_epoch=True")
    (tmp_path / "config.py").write_text(text)
    assert run(["schedule", str(tmp_path / "config.py")]) == 2
    assert "DryLrHook: the lr depends on the number of iterations per epoch" in capsys.readouterr().err


def test_hooks_of_the_zoos_that_set_no_lr_take_no_dry_run() -> None:
    """From their code: SimSiam's hook always sets an lr, and a hook of another project may."""
    for package in ("mmdet", "mmpretrain"):
        import_module(f"{package}.engine.hooks")
    registered = {
        f"{package}.{name}": kind
        for package, registry in (("mmengine", HOOKS), ("mmdet", MMDET_HOOKS), ("mmpretrain", MMPRETRAIN_HOOKS))
        for name, kind in registry.module_dict.items()
        if kind.__module__.startswith(f"{package}.")
    }
    assert len(registered) > 30
    found = lr_hooks(Config({"custom_hooks": [dict(type=name) for name in registered if "ParamScheduler" not in name]}))
    assert found == ["mmpretrain.SimSiamHook"]
    assert lr_hooks(Config({"custom_hooks": [dict(type="tests.dry_run.trainings.DryFreezeHook")]}))
