"""``schedule`` end to end: its output on a terminal, in a pipe and in files."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from mmengine.registry import MODELS

from lrdecay_cli import formats
from lrdecay_cli.analysis.scheduling.report import schedule_report
from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.analysis.scheduling.summary import schedule_of
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.checking.embedded_findings import SCHEDULED, findings_among
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.plain_text import render
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.schedulers.running import run_schedule
from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan
from tests.commands.running import SAMPLES, lrdecay, lrdecay_cold, lrdecay_in_terminal
from tests.openmmlab.training import Toy

LAYER_WISE = SAMPLES / "convnext-t_layer-wise.py"
# MMDetection's 3x schedule of COCO on eight GPUs.
COCO = ("--dataset-size", "117266", "--gpus", "8")
SHORT = ("--iters-per-epoch", "100")
TOY = """
custom_imports = dict(imports=["tests.openmmlab.training"])
model = dict(type="Toy")
train_dataloader = dict(batch_size=2)
train_cfg = dict(by_epoch=True, max_epochs=6)
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9), paramwise_cfg=dict(custom_keys={"backbone.0": dict(lr_mult=0.1)})
)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    formats = ("json", "text", "markdown", "csv", "svg", "png")
    outputs = [f"--output={name}={folder}/lr.{name}" for name in formats]
    result = lrdecay("schedule", LAYER_WISE, *COCO, *outputs)
    assert (result.code, result.err) == (0, "")
    assert result.out == (folder / "lr.text").read_text()
    return folder


def toy(folder: Path, schedulers: str, more: str = "") -> Path:
    path = folder / "toy.py"
    path.write_text(f"{TOY}param_scheduler = {schedulers}\n{more}\n", encoding="utf-8")
    return path


def report_text(path: Path, gpus: int | None = None, **known: int) -> str:
    """Return the text report, made in this process."""
    launch = Launch(gpus)
    planned = load_plan(str(path), launch=launch)
    length = run_length(planned.plan, gpus=launch.world_size, **known)
    group_map = audit(str(path), launch=launch)
    schedule = schedule_of(run_schedule(planned, group_map, length), planned.plan, length, group_map)
    findings = findings_among(group_map, SCHEDULED)
    text = render(schedule_report(schedule, planned.plan, findings=findings).report, Canvas())
    assert isinstance(text, str)
    return text


def test_json_is_valid_and_complete(exported: Path) -> None:
    schema = json.loads(lrdecay("schema", "schedule").out)
    Draft202012Validator.check_schema(schema)
    data = json.loads((exported / "lr.json").read_text())
    Draft202012Validator(schema).validate(data)
    assert [*data] == [*schema["$defs"]["Schedule"]["properties"]]
    assert data["length"]["steps"] == 36 * 7330
    assert data["warm_up_end"] == 1000
    assert [curve["label"] for curve in data["curves"]] == [f"layer {layer}" for layer in range(8)]
    assert [curve["head"] for curve in data["curves"]] == [False] * 7 + [True]
    head = data["curves"][-1]
    assert head["moments"]["lr"]["start"] == pytest.approx(1e-7)
    assert head["moments"]["lr"]["peak"] == pytest.approx(1e-4)
    assert head["moments"]["lr"]["end"] == pytest.approx(1e-6)
    assert all(len(curve["values"]["lr"]) == len(data["samples"]) for curve in data["curves"])
    at = dict(zip(data["samples"], head["values"]["lr"], strict=True))
    # Milestones are epochs 27 and 33.
    assert at[27 * 7330 - 1] == pytest.approx(1e-4)
    assert at[27 * 7330] == pytest.approx(1e-5)
    assert at[33 * 7330] == pytest.approx(1e-6)


def test_json_is_the_same_on_every_run(exported: Path) -> None:
    again = lrdecay_cold("schedule", LAYER_WISE, *COCO, "--format", "json")
    assert again.out == (exported / "lr.json").read_text()


def test_text_shows_values_that_the_log_omits(exported: Path) -> None:
    text = (exported / "lr.text").read_text()
    assert "7,330: 117,266 samples / (batch 2 × 8 GPUs)" in text
    assert re.search(r"^layer 0 +2 +6\.983e-08 +6\.983e-05 +6\.983e-05 +999 +6\.983e-07$", text, re.M), text
    assert re.search(r"^base_lr +the optimizer's own lr +1\.0000e-04", text, re.M)
    assert re.search(r"^lr +layer_0_decay \(first group\) +6\.9834e-05", text, re.M)
    assert re.search(r"^– +the head \(layer 7\) +1\.0000e-04", text, re.M)
    assert "mmengine logs only the lr of the first group" in text
    assert text.splitlines()[-1].startswith("36 epochs, 263,880 iterations; 16 groups in 8 curves")


def test_csv_has_a_row_for_each_curve_and_sample(exported: Path) -> None:
    rows = list(csv.DictReader(StringIO((exported / "lr.csv").read_text())))
    data = json.loads((exported / "lr.json").read_text())
    assert len(rows) == len(data["samples"]) * len(data["curves"])
    first = [(int(row["iteration"]), float(row["lr"])) for row in rows if row["groups"] == "layer 0"]
    assert first == [*zip(data["samples"], data["curves"][0]["values"]["lr"], strict=True)]
    assert {int(row["epoch"]) for row in rows} == {*range(36)}


def test_pictures_are_written(exported: Path) -> None:
    assert (exported / "lr.png").read_bytes().startswith(b"\x89PNG")
    assert (exported / "lr.svg").read_text().count("<polyline") == 8
    piped = lrdecay("schedule", LAYER_WISE, *COCO, "--format", "svg")
    assert piped.out == (exported / "lr.svg").read_text()


@pytest.mark.parametrize("columns", [80, 120])
def test_terminal_has_a_chart(columns: int) -> None:
    shown = lrdecay_in_terminal("schedule", LAYER_WISE, *COCO, columns=columns)
    assert shown.code == 0
    assert "\x1b[" in shown.out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.out)
    assert max(map(len, plain.splitlines())) <= columns
    assert re.search(r"0\.0001 ┤⢸", plain)
    assert "hidden columns" not in plain
    assert "━ layer 7" in plain


def test_a_terminal_gets_no_pixels() -> None:
    shown = lrdecay_in_terminal("schedule", LAYER_WISE, *SHORT, "--format", "png")
    assert shown.code == 2
    assert "--output png=PATH" in shown.out


def test_the_cache_gives_the_groups(tmp_path: Path) -> None:
    environment = {"LRDECAY_NO_CACHE": "", "LRDECAY_CACHE_DIR": str(tmp_path)}
    first, second = (lrdecay("schedule", LAYER_WISE, *SHORT, "-v", **environment) for _ in range(2))
    assert (first.code, first.out) == (second.code, second.out)
    assert "not in the cache" in first.err
    assert "from the cache" in second.err


def test_unknown_iterations_are_an_error_with_a_fix() -> None:
    result = lrdecay("schedule", LAYER_WISE)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"lrdecay: {LAYER_WISE}: LinearLR at param_scheduler[0] counts iterations, but the number of iterations "
        "per epoch is unknown; give --iters-per-epoch N, or --dataset-size N (COCO train2017: 117266)\n"
    )


@pytest.mark.parametrize(
    ("schedulers", "more", "known", "message"),
    [
        ("None", "", {}, r"no param_scheduler: every lr stays constant"),
        (
            "dict(type='ReduceOnPlateauLR', monitor='acc')",
            "",
            {},
            r"ReduceOnPlateauLR at param_scheduler: .* when the validation metric 'acc' stops improving, from",
        ),
        (
            "dict(type='MultiStepLR', milestones=[2])",
            "train_cfg = dict(by_epoch=False, max_iters=50)",
            {},
            r"^error: LRD608 epochs-for-iterations: MultiStepLR counts epochs .* it never steps$",
        ),
        (
            "dict(type='MultiStepLR', milestones=[2, 9])",
            "",
            {},
            r"^warning: LRD603 [a-z-]+: 1 of 2 milestones \(9\) is never reached, because training ends at 6 epochs$",
        ),
        (
            "dict(type='MultiStepLR', milestones=[2, 9], convert_to_iter_based=True)",
            "",
            {"iterations_per_epoch": 7},
            r"^warning: LRD603 [a-z-]+: 1 of 2 milestones \(9\) is never reached, because training ends at 6 epochs$",
        ),
        (
            "dict(type='StepLR', step_size=1, begin=6, end=9)",
            "",
            {},
            r"^warning: LRD603 [a-z-]+: StepLR never acts: it begins at 6, and training ends at 6 epochs$",
        ),
        (
            "dict(type='LinearLR', start_factor=0.1)",
            "",
            {},
            r"^warning: LRD605 [a-z-]+: the warm-up takes 6 epochs of a training of 6 epochs",
        ),
        (
            "dict(type='CosineAnnealingLR', eta_min=0.01)",
            "",
            {},
            r"^LRD607 [a-z-]+: all groups .* anneal to the same lr, eta_min=0\.01 .*: 100% of the lowest lr",
        ),
        (
            "dict(type='OneCycleLR', eta_max=0.1, total_steps=6)",
            "",
            {},
            r"^error: LRD607 [a-z-]+: eta_max=0\.1 .* overwrites the lr of all 6 groups \(0\.01 to 0\.1\)$",
        ),
        (
            "dict(type='CosineAnnealingLR', eta_min=1e-3, T_max=3, end=4)",
            "",
            {},
            r"from epoch 3 on, all groups have the same lr, 0\.001 at the end",
        ),
        (
            "dict(type='StepLR', step_size=2)",
            "auto_scale_lr = dict(enable=True, base_batch_size=16)",
            {"dataset_size": 20, "gpus": 2},
            r"^auto_scale_lr +every lr × 0\.25: a batch of 2 on 2 GPUs / base_batch_size 16$",
        ),
        (
            "dict(type='StepLR', step_size=2)",
            "auto_scale_lr = dict(base_batch_size=16)",
            {"dataset_size": 20, "gpus": 1},
            r"for a batch of 16; with --gpus 1 the batch is 2, but auto_scale_lr is off: --auto-scale-lr scales",
        ),
    ],
)
def test_notes(schedulers: str, more: str, known: dict[str, int], message: str, tmp_path: Path) -> None:
    out = report_text(toy(tmp_path, schedulers, more), **known)
    assert re.search(message, out, re.M), out


def test_momentum_is_a_table_of_its_own(tmp_path: Path) -> None:
    out = report_text(toy(tmp_path, "dict(type='CosineAnnealingMomentum', eta_min=0.5)"))
    assert re.search(r"^momentum\ngroups +count +start +lowest +highest +end$", out, re.M), out
    assert re.search(r"^backbone\.0\.\* +2 +0\.9 +0\.5268 +0\.9 +0\.5268$", out, re.M), out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "svgg"), r"unknown format 'svgg'; did you mean svg\? one of .*svg, png"),
        (("--gpus", "0"), r"'--gpus': 0 is not in the range"),
    ],
)
def test_options_are_checked_first(
    options: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schedule", str(tmp_path / "none.py"), *options]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert re.search(message, err), err


def test_png_asks_for_matplotlib_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "matplotlib" else name)
    assert run(["schedule", "none.py", "--output", "png=lr.png"]) == 2
    assert 'pip install "lrdecay-cli[plot]"' in capsys.readouterr().err


def test_a_map_is_not_a_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "map.json").write_text('{"schema_version": 1}')
    assert run(["schedule", str(tmp_path / "map.json")]) == 2
    assert "give the config" in capsys.readouterr().err


@MODELS.register_module(force=True)
class FreezingToy(Toy):
    """Freezes its first layer in ``train()``, after the optimizer is built."""

    def train(self, mode: bool = True) -> FreezingToy:
        super().train(mode)
        self.backbone[0].requires_grad_(False)
        return self


@pytest.mark.parametrize(("model", "frozen"), [("Toy", 0), ("FreezingToy", 1)])
def test_a_curve_whose_tensors_train_freezes_is_named_frozen(model: str, frozen: int, tmp_path: Path) -> None:
    report = report_text(toy(tmp_path, "[]", f'model = dict(type="{model}")'))
    assert ("backbone.0.* (frozen)" in report) == bool(frozen), report
