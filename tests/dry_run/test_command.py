"""``dry-run`` end to end, on toy trainings, on configs of the zoo and on situations from bug reports."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import HOOKS, DefaultScope
from mmengine.visualization import Visualizer
from torch import multiprocessing as mp

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files.schema import document_schema
from tests.commands.running import SAMPLES, lrdecay
from tests.dry_run.trainings import BASE, config_of, train
from tests.openmmlab.zoo_answers import ROOT

LAYER_WISE = SAMPLES / "convnext-t_layer-wise.py"


def dry_run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = run(["dry-run", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def written(name: str, folder: Path) -> Path:
    path = folder / "config.py"
    config_of(name).dump(path)
    return path


def test_json_is_valid_and_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = written("auto_scale_lr", tmp_path)
    code, out, err = dry_run(capsys, config, "--iters-per-epoch", "5", "--gpus", "4", "--format", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    Draft202012Validator(document_schema("dry-run")).validate(document)
    assert document["lr_factor"] == 4 * 2 / 8
    assert {group["built_lr"] for group in document["groups"]} == {0.001, 0.01}
    assert [hook["name"] for hook in document["left_out"]] == ["RuntimeInfoHook", "IterTimerHook", "LoggerHook"]


def test_a_real_detector_over_its_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = dry_run(capsys, LAYER_WISE, "--dataset-size", "117266", "--gpus", "8")
    assert (code, err) == (0, "")
    assert "36 epochs of 7,330: 263,880 iterations" in out
    assert f"AdamW (torch {torch.__version__.partition('+')[0]})" in out
    (row,) = (line for line in out.splitlines() if line.startswith("layer_0_decay"))
    assert "lr × weight decay" in row
    assert "LinearLR, MultiStepLR" in row
    rows = [line.split()[0] for line in out.splitlines() if line.startswith("layer_")]
    assert rows == [f"layer_{layer}_{kind}" for layer in range(8) for kind in ("decay", "no_decay")]
    facts = {line[:16].rstrip(): line[16:] for line in out.splitlines()}
    assert facts["head"] == "in layer_7_decay and layer_7_no_decay"
    assert facts["auto_scale_lr"] == "off: no lr is scaled"
    # mmengine's interval is 50, and its log counts from 1.
    assert "[  50/7330]" in facts["first log line"]
    assert facts["first log line"].endswith("(at iteration 49)")
    assert "iterations count from 0" in out


def test_the_console_command_answers_alike_without_compiler_and_canvas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command defers slow imports, unlike this process: ``-X importtime`` lists the modules that were executed."""
    arguments = ["dry-run", str(written("warm-up and steps", tmp_path)), "--iters-per-epoch", "5", "--format", "json"]
    command = [sys.executable, "-X", "importtime", "-m", "lrdecay_cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, json.loads(dry_run(capsys, *arguments[1:])[1]))
    executed = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"torch.optim.adamw", "mmengine.runner.runner"} <= executed
    assert not {"torch._dynamo.eval_frame", "matplotlib.figure", "sympy"} & executed


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("a hook sets the lr", 1, "LRD811 lr-set-by-hook: DryLrHook.before_train_iter sets the lr of 20 tensors"),
        (
            "a hook ramps weights and biases",
            0,
            "LRD811 lr-set-by-hook: DryRampHook.after_train_epoch sets the lr of 20 tensors",
        ),
        (
            "a hook freezes before the training",
            0,
            "LRD813 frozen-during-training: DryFreezeFirst.before_train freezes 18 tensors at iteration 0",
        ),
        (
            "a hook freezes in the middle",
            0,
            "LRD813 frozen-during-training: DryFreezeHook.before_train_iter freezes 18",
        ),
        ("train() freezes", 0, "4 tensors frozen at the end; no findings"),
        (
            "nobody steps the schedulers",
            1,
            "LRD814 schedulers-never-stepped: no hook calls step() of LinearLR and MultiStepLR",
        ),
        (
            "auto_scale_lr",
            0,
            "LRD812 lr-scaled-by-batch: auto_scale_lr multiplies every lr by 0.25: batch size 2 per GPU",
        ),
        ("warm-up and steps", 0, "no findings"),
    ],
)
def test_differences_from_the_plan_are_findings(
    name: str, code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, _ = dry_run(capsys, written(name, tmp_path), "--iters-per-epoch", "5")
    assert found == code
    assert message in out


def test_auto_scale_lr_is_switched_on_as_train_py_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = written("auto_scale_lr that is off", tmp_path)
    for options, factor in ((), None), (("--auto-scale-lr",), 0.25), (("--auto-scale-lr", "--batch-size", "16"), 2.0):
        _, out, _ = dry_run(capsys, config, "--iters-per-epoch", "5", "--format", "json", *options)
        assert json.loads(out)["lr_factor"] == factor


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "is unknown; give --iters-per-epoch N"),
        (("--iters-per-epoch", "5", "--auto-scale-lr"), "the config has no auto_scale_lr.base_batch_size"),
        (("--iters-per-epoch", "5", "--resume", "none.pth"), "none.pth"),
        (("--iters-per-epoch", "5", "--fail-on", "never"), "unknown severity 'never'"),
    ],
)
def test_a_failed_check_is_one_line(
    arguments: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = dry_run(capsys, written("warm-up and steps", tmp_path), *arguments)
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1


def test_an_optimizer_that_refuses_its_options_gets_a_fix_that_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written("warm-up and steps", tmp_path)
    optimizer = "optim_wrapper.optimizer"
    options = [f"{optimizer}.{option}" for option in ("_delete_=True", "lr=0.001", "weight_decay=0.05")]
    given = ("--iters-per-epoch", "5", "--cfg-options", *options)
    code, _, err = dry_run(capsys, config, *given, f"{optimizer}.type=Adafactor")
    assert (code, err.rpartition("; ")[2]) == (2, f"set relative_step=False in {optimizer}\n")
    assert dry_run(capsys, config, *given, f"{optimizer}.type=Adafactor", f"{optimizer}.relative_step=False")[0] == 0
    paramwise = ("optim_wrapper.paramwise_cfg._delete_=True", "optim_wrapper.paramwise_cfg.bias_lr_mult=2.0")
    code, _, err = dry_run(capsys, config, *given[:-1], f"{optimizer}.type=LBFGS", *paramwise)
    assert code == 2
    assert err.endswith("; use an optimizer that mmengine can step with these groups, for example AdamW\n")


def test_code_in_validation_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    validating = dict.fromkeys(("val_dataloader",), BASE["train_dataloader"]) | {"val_cfg": {}}
    plateau = dict(type="ReduceOnPlateauLR", monitor="loss", rule="less", by_epoch=True)
    hooks = [dict(type="EarlyStoppingHook", monitor="loss"), dict(type="DryValidationHook")]
    config = {**BASE, "param_scheduler": [plateau], "custom_hooks": hooks}
    for name, validation in (("with", {**validating, "val_evaluator": dict(type="DumpResults")}), ("without", {})):
        Config({**config, **validation}).dump(tmp_path / f"{name}.py")
    _, out, _ = dry_run(capsys, tmp_path / "with.py", "--iters-per-epoch", "5", "--format", "json")
    named = {each["name"]: each["reason"] for each in json.loads(out)["in_validation"]}
    assert named == {
        "EarlyStoppingHook": "the hook may end the training early",
        "ReduceOnPlateauLR": "the scheduler lowers the lr when the validation metric stops improving",
        "DryValidationHook": "after_val_epoch may change anything",
    }
    _, out, _ = dry_run(capsys, tmp_path / "without.py", "--iters-per-epoch", "5", "--format", "json")
    assert json.loads(out)["in_validation"] == []


def test_a_constructor_that_refuses_the_wrapped_model_ends_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reads ``model.discriminator``, which does not exist on several GPUs."""
    config = written("two optimizers", tmp_path)
    assert dry_run(capsys, config, "--iters-per-epoch", "5")[0] == 0
    code, out, err = dry_run(capsys, config, "--iters-per-epoch", "5", "--gpus", "2")
    assert (code, out) == (2, "")
    assert "the constructor raises on the model wrapped in MMDistributedDataParallel" in err
    assert "no attribute 'discriminator'" in err
    parts = ("--cfg-options", "model_wrapper_cfg.type=MMSeparateDistributedDataParallel")
    code, _, err = dry_run(capsys, config, "--iters-per-epoch", "5", "--gpus", "2", *parts)
    assert (code, "no attribute 'discriminator'" in err) == (2, True)


def test_a_checkpoint_without_a_place_in_the_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"meta": {}, "state_dict": {}}, tmp_path / "weights.pth")
    config = written("warm-up and steps", tmp_path)
    code, out, err = dry_run(capsys, config, "--iters-per-epoch", "5", "--resume", tmp_path / "weights.pth")
    assert (code, out) == (2, "")
    assert "the checkpoint does not contain its epoch and iteration" in err


def test_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written("EMA", tmp_path)
    monkeypatch.chdir(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    dry_run(capsys, config, "--iters-per-epoch", "5")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.py", "scratch"]


@pytest.mark.parametrize("command", ["dry-run", "schedule", "inspect"])
def test_a_process_stays_as_it_was(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """State that a Runner leaves in its process would change the next training there."""

    def state() -> list[Any]:
        managers = [[*kind._instance_dict] for kind in (DefaultScope, MMLogger, MessageHub, Visualizer)]
        draws = [random.getstate(), np.random.get_state()[2], torch.get_rng_state().tolist()]
        return [
            managers,
            draws,
            mp.get_start_method(),
            resource.getrlimit(resource.RLIMIT_NOFILE),
            MMLogger.get_current_instance().level,
        ]

    hooks = [dict(type="DryLrHook", priority="VERY_LOW")]
    Config({**BASE, "custom_hooks": hooks}).dump(tmp_path / "config.py")
    # mmengine creates a default instance of these on request.
    for kind in (MMLogger, MessageHub):
        kind.get_current_instance()
    method, files = mp.get_start_method(allow_none=True), resource.getrlimit(resource.RLIMIT_NOFILE)
    mp.set_start_method("spawn", force=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, files[1]))
    try:
        before = state()
        length = () if command == "inspect" else ("--iters-per-epoch", "5")
        assert run([command, str(tmp_path / "config.py"), *length]) == (command == "dry-run")
        assert state() == before
    finally:
        mp.set_start_method(method, force=True)
        resource.setrlimit(resource.RLIMIT_NOFILE, files)


def test_a_checkpoint_of_the_real_training_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saving = {**BASE, "default_hooks": dict(checkpoint=dict(type="CheckpointHook", interval=1))}
    train(Config(saving), tmp_path / "real")
    longer = Config({**saving, "train_cfg": dict(by_epoch=True, max_epochs=6)})
    longer.dump(tmp_path / "longer.py")
    checkpoint = tmp_path / "real" / "epoch_4.pth"
    code, out, err = dry_run(
        capsys, tmp_path / "longer.py", "--iters-per-epoch", "5", "--resume", checkpoint, "--format", "json"
    )
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert {group["first"]["iteration"] for group in document["groups"]} == {20}
    # The steps are over: a tenth of the constructor's lr.
    assert {round(group["first"]["lr"] / group["built_lr"], 9) for group in document["groups"]} == {0.1}
    assert {cause["stage"] for group in document["groups"] for cause in group["causes"]} >= {"resume"}
    assert document["resumed_from"] == str(checkpoint)
    _, out, _ = dry_run(capsys, tmp_path / "longer.py", "--iters-per-epoch", "5", "--resume", checkpoint)
    assert f"{checkpoint}, at iteration 20" in out
    assert f"lrdecay diff {tmp_path / 'longer.py'} {checkpoint}" in out


@HOOKS.register_module(force=True)
class DryAddingHook(Hook):
    """Adds a group to the optimizer after the first epoch."""

    def after_train_epoch(self, runner: Any) -> None:
        runner.optim_wrapper.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})


def test_groups_that_a_hook_adds_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Config({**BASE, "custom_hooks": [dict(type="DryAddingHook")]}).dump(tmp_path / "adding.py")
    code, out, err = dry_run(capsys, tmp_path / "adding.py", "--iters-per-epoch", "5")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "a hook adds 4 parameter groups during the training" in err


def test_a_hook_that_builds_something_is_run() -> None:
    """RTMDet's PipelineSwitchHook builds transforms, which a command does not import before it needs them."""
    done = lrdecay("dry-run", "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py", "--iters-per-epoch", "1", "--steps", "1")
    assert done.code == 0, done.err
    assert "PipelineSwitchHook" in done.out
    assert "could not run" not in done.out


@pytest.mark.parametrize(
    ("hook", "raises", "found"),
    [
        (dict(type="EMAHook", momentum=1.5), AssertionError, True),
        (dict(type="EMAHook", momentm=0.1), TypeError, True),
        (dict(type="EMAHook", begin_epoch=99), AssertionError, True),
        (dict(type="mmengine.EMAHook", begin_iter=-1), AssertionError, True),
        (dict(type="EMAHook", momentum=0.1), None, False),
        # It fails only without data.
        (dict(type="DryDataHook"), None, False),
        # The training script may register it.
        (dict(type="NoSuchHook"), KeyError, False),
    ],
)
def test_a_hook_that_stops_the_training_is_a_finding(
    hook: dict[str, Any],
    raises: type[Exception] | None,
    found: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = Config({**BASE, "custom_hooks": [dict(type="EmptyCacheHook"), hook]})
    with nullcontext() if raises is None else pytest.raises(raises):
        train(config, tmp_path / "real")
    path, output = tmp_path / "config.py", tmp_path / "run.json"
    config.dump(path)
    capsys.readouterr()
    code, out, _ = dry_run(capsys, path, "--iters-per-epoch", "5", "-o", f"json={output}", "--format", "text")
    options = [left["option"] for left in json.loads(output.read_text())["left_out"] if left["failed"]]
    assert (code, options) == (int(found), ["custom_hooks[1]"] if found else [""] if options else [])
    assert (f"error: LRD816 hook-fails: {hook['type'].rpartition('.')[2]}: " in out) == found
