"""``run`` on work directories that mmengine's own Runner wrote, with trainings of toy models on data and gradients."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mmengine.config import Config

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files.schema import document_schema
from lrdecay_cli.training import ParamGroupAuditHook  # noqa: F401 - registers itself
from tests.dry_run.test_truth import unsafe_loading
from tests.dry_run.trainings import BASE, BATCH, CONVERTED, ITERATIONS, TRAININGS, Seen, config_of, train

LOGS = dict(checkpoint=None, logger=dict(type="LoggerHook", interval=2))
SAVING = dict(LOGS, checkpoint=dict(type="CheckpointHook", interval=1))
KEYS = "optim_wrapper.paramwise_cfg.custom_keys"
# By training: the training that follows its plan, and the cause of the difference.
PARTED = {
    "a hook sets the lr": ("warm-up and steps", "hook"),
    "a hook sets the lr after it is logged": ("warm-up and steps", "hook"),
    "a hook takes the schedulers' place": ("no schedulers", "hook"),
    # Before mmengine reads the values that it logs.
    "a hook ramps weights and biases": ("no schedulers", "hook"),
    "nobody steps the schedulers": ("warm-up and steps", "schedulers not stepped"),
}


def logging_config(config: Config, hooks: dict[str, Any] = LOGS, **changes: Any) -> Config:
    """Return the text of the config, with LoggerHook every two iterations."""
    config = Config({**config._cfg_dict.to_dict(), **changes})
    config.default_hooks = {**hooks, **{k: v for k, v in config.default_hooks.items() if k == "param_scheduler"}}
    return config


def trained(config: Config, folder: Path, **options: Any) -> Seen:
    """Train from a file, as ``tools/train.py`` does: the Runner dumps the config under its name."""
    path = folder.parent / f"{folder.name}.py"
    config.dump(path)
    return train(Config.fromfile(path), folder, **options)


def run_as_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    # The output of the training.
    capsys.readouterr()
    code = run(["run", *map(str, arguments), "--format", "json"])
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, json.loads(printed.out)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_log_is_compared_with_its_plan(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_lr = dict(type="ParamGroupAuditHook", log_lr=True)
    config = config_of(name)
    hooks = [*(config.get("custom_hooks") or []), log_lr]
    seen = trained(logging_config(config, custom_hooks=hooks), tmp_path / "work")
    code, document = run_as_json(capsys, tmp_path / "work")
    Draft202012Validator(document_schema("run")).validate(document)
    (segment,) = document["segments"]
    assert segment["first"] == 1
    by_key = {curve["key"]: curve for curve in segment["curves"]}
    assert len(by_key) > 1
    for key, curve in by_key.items():
        if key.startswith("lr/"):
            assert all(lr in seen.lrs[step] for step, lr in zip(curve["iterations"], curve["logged"], strict=True))
    if name not in PARTED:
        assert (code, document["equal"], segment["causes"]) == (0, True, [])
        return
    planned, cause = PARTED[name]
    assert (code, document["equal"], segment["causes"][0]["kind"]) == (1, False, cause)
    assert segment["causes"][0]["proven"]
    clean = trained(logging_config(config_of(planned)), tmp_path / "planned")
    lr = next(curve for key, curve in by_key.items() if key == "lr")
    assert lr["planned"] == [clean.lrs[iteration][0] for iteration in lr["iterations"]]
    differing = [i for i, (one, other) in enumerate(zip(lr["logged"], lr["planned"], strict=True)) if one != other]
    assert lr["parts_at"] == lr["iterations"][differing[0]]
    assert lr["ratio"] == lr["logged"][differing[0]] / lr["planned"][differing[0]]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the work directory of a training over four epochs, with a checkpoint after each epoch."""
    folder = tmp_path_factory.mktemp("runs") / "short"
    trained(logging_config(Config(BASE), SAVING, param_scheduler=[CONVERTED]), folder)
    return folder


def longer(short: Path) -> Config:
    """Return the same config with twice the epochs, and a schedule over them."""
    config = Config.fromfile(short.parent / "short.py")
    schedule = dict(CONVERTED, T_max=8, end=8)
    return Config(
        {**config._cfg_dict.to_dict(), "train_cfg": dict(by_epoch=True, max_epochs=8), "param_scheduler": [schedule]}
    )


@pytest.mark.parametrize("source", ["both starts", "the checkpoint alone"])
def test_a_resumed_run_that_keeps_the_old_schedule(
    source: str, short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """mmengine restores the schedulers from the checkpoint: a schedule that ended at epoch 4 stays ended."""
    work = tmp_path / "work"
    shutil.copytree(short, work)
    (stamp,) = (path for path in work.iterdir() if path.is_dir())
    if source == "both starts":
        stamp.rename(work / "20000101_000000")
    else:
        shutil.rmtree(stamp)
    config = longer(short)
    with unsafe_loading():
        seen = trained(config, work, resume=str(work / "epoch_4.pth"))
    code, document = run_as_json(capsys, work)
    segment = document["segments"][-1]
    assert (code, segment["resumed"], segment["first"]) == (1, True, 4 * ITERATIONS + 1)
    (cause,) = segment["causes"]
    assert (cause["kind"], cause["proven"]) == ("resume", True)
    assert cause["name"] == ("20000101_000000" if source == "both starts" else str(work / "epoch_4.pth"))
    (lr,) = (curve for curve in segment["curves"] if curve["key"] == "lr")
    assert segment["parts_at"] == lr["iterations"][0]
    assert lr["logged"] == [seen.lrs[iteration][0] for iteration in lr["iterations"]]
    # The lrs of the longer schedule from the start.
    anew = train(config, tmp_path / "anew")
    assert lr["planned"] == [anew.lrs[iteration][0] for iteration in lr["iterations"]]


def test_a_resumed_run_of_the_same_config_is_as_planned(
    short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    config = Config.fromfile(short.parent / "short.py")
    with unsafe_loading():
        trained(config, work, resume=str(short / "epoch_2.pth"))
    code, document = run_as_json(capsys, work)
    (segment,) = document["segments"]
    assert (code, segment["resumed"], segment["first"]) == (0, True, 2 * ITERATIONS + 1)


def test_an_iteration_based_run_is_not_one_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its checkpoints have ``max_epochs=1``; a scheduler in epochs uses those of the data loader."""
    saving = dict(LOGS, checkpoint=dict(type="CheckpointHook", interval=17, by_epoch=False))
    by_iteration = dict(log_processor=dict(by_epoch=False), param_scheduler=[CONVERTED])
    config = logging_config(config_of("an iteration-based loop"), saving, **by_iteration)
    trained(config, tmp_path / "short")
    assert run(["run", str(tmp_path / "short")]) == 2
    assert "give --iters-per-epoch N" in capsys.readouterr().err
    length = ("--iters-per-epoch", str(ITERATIONS))
    code, document = run_as_json(capsys, tmp_path / "short", *length)
    assert (code, document["segments"][0]["planned_iterations"]) == (0, 17)
    # A resume with a longer schedule, which has no effect.
    config.train_cfg.max_iters, config.param_scheduler = 30, [dict(CONVERTED, T_max=6, end=6)]
    checkpoint = str(tmp_path / "short" / "iter_17.pth")
    with unsafe_loading():
        seen = trained(config, tmp_path / "longer", resume=checkpoint)
    code, document = run_as_json(capsys, tmp_path / "longer", *length)
    (segment,) = document["segments"]
    assert (code, segment["resumed"], segment["first"], segment["parts_at"]) == (1, True, 17, 17)
    assert [(cause["kind"], cause["proven"], cause["name"]) for cause in segment["causes"]] == [
        ("resume", True, checkpoint)
    ]
    anew = train(config, tmp_path / "anew")
    (lr,) = (curve for curve in segment["curves"] if curve["key"] == "lr")
    for values, of in ((lr["logged"], seen), (lr["planned"], anew)):
        assert values == [of.lrs[iteration][0] for iteration in lr["iterations"]]


@pytest.mark.parametrize(
    ("edit", "settings", "ratio"),
    [
        ({"optim_wrapper.optimizer.lr": 0.02}, ["optim_wrapper.optimizer.lr"], 0.5),
        ({"optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult": 0.5}, [f"{KEYS}.backbone.lr_mult"], 0.2),
        ({"model.frozen": 1}, None, None),
    ],
)
def test_another_config(
    edit: dict[str, Any],
    settings: list[str] | None,
    ratio: float | None,
    short: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    today = Config.fromfile(short.parent / "short.py")
    today.merge_from_dict(edit)
    today.dump(tmp_path / "today.py")
    code, document = run_as_json(capsys, short, tmp_path / "today.py")
    (segment,) = document["segments"]
    if settings is None:
        assert (code, segment["causes"]) == (0, [])
        return
    (cause,) = segment["causes"]
    assert (code, cause["kind"], cause["proven"], cause["settings"]) == (1, "config", True, settings)
    by_key = {curve["key"]: curve for curve in segment["curves"]}
    assert by_key["lr"]["parts_at"] == segment["parts_at"] == 1
    assert by_key["lr"]["ratio"] == pytest.approx(ratio)


def test_another_number_of_gpus(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An epoch of 10 samples in batches of 2 has 5 iterations on one GPU, and 3 on two GPUs."""
    dataset = ("--dataset-size", str(BATCH * ITERATIONS))
    assert run_as_json(capsys, short, *dataset, "--gpus", "1")[0] == 0
    code, document = run_as_json(capsys, short, *dataset, "--gpus", "2")
    (segment,) = document["segments"]
    (cause,) = segment["causes"]
    assert (code, segment["iterations_per_epoch"]) == (1, 3)
    assert (cause["kind"], cause["proven"], cause["gpus"]) == ("iterations per epoch", True, 1)
    assert cause["iterations_per_epoch"] == ITERATIONS


def test_a_mean_that_is_logged_as_lr_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mean = dict(data_src="lr", method_name="mean", window_size=3)
    for keys, more in (({"base_lr"}, {}), ({"base_lr", "lr"}, {"log_name": "mean_lr"})):
        processor = dict(type="LogProcessor", custom_cfg=[{**mean, **more}])
        folder = tmp_path / f"work_{len(keys)}"
        trained(logging_config(config_of("warm-up and steps"), log_processor=processor), folder)
        code, document = run_as_json(capsys, folder)
        assert (code, {curve["key"] for curve in document["segments"][0]["curves"]}) == (0, keys)


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the work directory of a training with ``auto_scale_lr``, with a text log and with checkpoints.

    The training has only one epoch, and scalars.json does not record its length. ``auto_scale_lr`` does not scale
    ``eta_min``.
    """
    folder = tmp_path_factory.mktemp("scaled") / "scaled"
    cosine = dict(type="CosineAnnealingLR", T_max=ITERATIONS, eta_min=1e-3, by_epoch=False)
    length = dict(by_epoch=True, max_epochs=1)
    config = logging_config(config_of("auto_scale_lr"), SAVING, train_cfg=length, param_scheduler=[cosine])
    trained(config, folder, log_level="INFO")
    return folder


@pytest.mark.parametrize("gpus_from", ["the text log", "the first logged lr"])
@pytest.mark.parametrize(
    ("enable", "options", "advice"),
    [
        (True, (), None),
        (True, ("--gpus", "8"), "because the training used 1 GPU, not 8; to plan for 1 GPU, give --gpus 1"),
        (False, (), "because the training used 1 GPU; to train with the config's lrs, set auto_scale_lr.enable=False"),
    ],
)
def test_the_plan_contains_the_factor_of_auto_scale_lr(
    enable: bool,
    options: tuple[str, ...],
    advice: str | None,
    gpus_from: str,
    scaled: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The named config is compared: the training dumped none."""
    config = Config.fromfile(scaled.parent / "scaled.py")
    config.auto_scale_lr.enable = enable
    config.dump(tmp_path / "named.py")
    work = tmp_path / "work"
    shutil.copytree(scaled, work)
    for dumped in work.rglob("*.py"):
        dumped.unlink()
    if gpus_from == "the first logged lr":
        next(work.glob("*/*.log")).unlink()
    code, document = run_as_json(capsys, work, tmp_path / "named.py", *options)
    (segment,) = document["segments"]
    known = None if gpus_from == "the first logged lr" else 1
    assert (code, segment["gpus"], segment["iterations_per_epoch"]) == (int(advice is not None), known, ITERATIONS)
    causes = [(cause["kind"], cause["factor"], cause["gpus"]) for cause in segment["causes"]]
    assert causes == ([("auto_scale_lr", 0.25, 1)] if advice else [])
    assert run(["run", str(work), str(tmp_path / "named.py"), *options]) == code
    assert (advice or "as planned") in capsys.readouterr().out


def work_dir(folder: Path, lines: str, config: str | None = None) -> Path:
    """Return a work directory with these lines in its log."""
    data = folder / "work" / "20260101_000000" / "vis_data"
    data.mkdir(parents=True)
    (data / "scalars.json").write_text(lines)
    if config is not None:
        (data / "config.py").write_text(config)
    return folder / "work"


def test_a_run_that_still_trains(short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is incomplete, a loss is NaN, and only the first epoch is complete."""
    (log,) = short.glob("*/vis_data/scalars.json")
    config = Config.fromfile(short.parent / "short.py")
    config.param_scheduler = [dict(type="MultiStepLR", milestones=[2], gamma=0.1, by_epoch=True, end=4)]
    text = config.pretty_text
    started = '{"lr": 0.001, "base_lr": 0.01, "loss": NaN, "epoch": 1, "iter": 2, "step": 2}\n{"lr": 0.0'
    code, document = run_as_json(capsys, work_dir(tmp_path, started, text))
    (segment,) = document["segments"]
    assert (code, segment["last"]) == (0, 1)
    # In the middle of the second epoch, the length of an epoch is known.
    lines = log.read_text().splitlines(keepends=True)
    code, document = run_as_json(
        capsys, work_dir(tmp_path / "second", "".join(lines[:3]), (short.parent / "short.py").read_text())
    )
    assert (code, document["segments"][0]["iterations_per_epoch"]) == (0, ITERATIONS)


@pytest.mark.parametrize(
    ("lines", "config", "line"),
    [
        (None, None, "no such directory; give the work_dir of a training"),
        ("", None, "the logs of 20260101_000000 contain no lr: no iteration has been logged yet"),
        (
            '{"lr": 0.1, "step": 2}\n',
            None,
            "mmengine dumped no config when the training started (20260101_000000); name the config: lrdecay run",
        ),
        ('{"lr": 0.1, "step": 2}\n', "", "config has no 'model'"),
        ('{"a.lr": 0.1, "epoch": 1, "step": 2}\n{"a.lr": 0.1, "epoch": 2, "step": 7}\n', "short", "logs a.lr, but"),
        (
            '{"lr": 0.1, "epoch": 2, "step": 7}\n',
            "short",
            "does not give the number of iterations per epoch; give --iters",
        ),
        # Lines that no training writes are skipped one by one.
        (
            '[]\n{"lr": "0.1", "step": 2}\n{"lr": 1e999, "step": -1}\n' + "[" * 10**5 + "\n",
            None,
            "contain no lr",
        ),
    ],
)
def test_a_failed_comparison_is_one_line(
    lines: str | None,
    config: str | None,
    line: str,
    short: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "nothing"
    if lines is not None:
        folder = work_dir(tmp_path, lines, (short.parent / "short.py").read_text() if config == "short" else config)
    code = run(["run", str(folder)])
    printed = capsys.readouterr()
    assert (code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert line in printed.err


def test_text_for_people(short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    longer(short).dump(tmp_path / "longer.py")
    pages = [("html", "run.html"), ("svg", "run.svg"), ("csv", "run.csv"), ("markdown", "run.md")]
    outputs = [word for name, file in pages for word in ("--output", f"{name}={tmp_path / file}")]
    assert run(["run", str(short), str(tmp_path / "longer.py"), *outputs]) == 1
    out = capsys.readouterr().out
    assert f"3 settings differ from {tmp_path}/longer.py" in out
    assert out.rstrip().endswith("(config)")
    assert "not as planned from iteration 1 on: lr is 0.9" in out
    for _, file in pages:
        assert "planned" in (tmp_path / file).read_text()


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run([*map(str, arguments), "--format", "json"])
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, json.loads(printed.out)


def test_inspect_and_diff_take_a_work_dir(short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = short.parent / "short.py"
    _, dumped = as_json(capsys, "inspect", short)
    _, named = as_json(capsys, "inspect", config)
    assert dumped["groups"] == named["groups"]
    (beside,) = short.glob("*.py")
    assert dumped["config"]["path"] == str(beside)
    # The last checkpoint; the config's groups give the names of its parameters.
    _, saved = as_json(capsys, "diff", config, short / "epoch_4.pth")
    code, difference = as_json(capsys, "diff", config, short)
    assert (saved.pop("after_source"), difference.pop("after_source")) == (str(short / "epoch_4.pth"), str(short))
    assert (code, difference) == (1, saved)
    assert {change["aspect"] for change in difference["changes"]} == {"lr"}
    # A config with other groups cannot give the names; the dumped config does.
    other = Config.fromfile(config)
    other.optim_wrapper.paramwise_cfg = None
    other.dump(tmp_path / "other.py")
    code, difference = as_json(capsys, "diff", tmp_path / "other.py", short)
    assert (code, difference["after"]["path"]) == (1, str(short / "epoch_4.pth"))
    scales = [change for change in difference["changes"] if change["aspect"] == "lr_scale"]
    assert [(change["before"], change["after"]) for change in scales] == [(1.0, 0.1)]
    assert {name.partition(".")[0] for name in scales[0]["parameters"]} == {"backbone"}
    assert as_json(capsys, "diff", short, short)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("inspect", "empty"), "empty: the path is a directory, not a config; give one config file"),
        (("inspect", "tested"), "tested: the work directory has no dumped config; give the config of the training"),
        (
            ("diff", "tested", "tested"),
            "tested: the work directory has no checkpoint; give a .pth file, or train with CheckpointHook",
        ),
    ],
)
def test_missing_files_of_a_work_dir_are_named(
    arguments: tuple[str, ...],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "tested/20260101_000000/vis_data"):
        (tmp_path / folder).mkdir(parents=True)
    assert run([*arguments]) == 2
    assert capsys.readouterr().err == f"lrdecay: {line}\n"
