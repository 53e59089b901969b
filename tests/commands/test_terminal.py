"""Output on a terminal of 80 columns: no line is longer, and no name is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lrdecay_cli.domain.report import Chart, Item, Line, Note, Report, Section
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.rich_terminal import render
from tests.commands.running import SAMPLES, lrdecay, lrdecay_in_terminal

PATTERNS = (
    "backbone.{downsample_layers,stages}.1.*, backbone.stages.2.{15-26}.depthwise_conv.weight  (108 tensors)",
    "backbone.{norm0,norm1,norm2,norm3}.*, backbone.stages.0.blocks.0.attn.w_msa.relative_position_bias_table",
)


def report(**fields: object) -> Report:
    usual: dict[str, object] = {"facts": (), "tables": (), "notes": (), "summary": "done"}
    return Report(**{**usual, **fields})  # type: ignore[arg-type]


def shown(made: Report, width: int) -> list[str]:
    return render(made, Canvas(width, False)).splitlines()


def words(text: str) -> set[str]:
    """Text that must not be broken: the text between dots, commas, spaces and hyphens."""
    return {*re.findall(r"[A-Za-z0-9]+", text)}


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "made",
    [
        report(notes=(Note("frozen, in no group", "info", PATTERNS), Note("missing", "warning", PATTERNS))),
        report(facts=(("config", "/home/somebody/projects/detection/configs/mask-rcnn_convnext-t_fpn_coco.py"),)),
        report(sections=(Section("configs/a.py", (Item("error", "LRD301 scale", "text", PATTERNS),)),)),
        report(sections=(Section("a.py", (Item("error", "LRD301", "t", (), (("option", PATTERNS[1]),)),)),)),
    ],
    ids=["notes", "facts", "details of findings", "facts of findings"],
)
def test_no_word_is_torn(made: Report, width: int) -> None:
    lines = shown(made, width)
    whole = words("\n".join(shown(made, 1000)))
    assert max(map(len, lines)) <= width
    assert {word for line in lines for word in words(line)} == whole


def test_the_legend_of_a_chart_breaks_between_its_lines() -> None:
    lines = tuple(Line(f"layer {index} of the backbone", (1.0, 0.5)) for index in range(6))
    chart = Chart("lr", "iteration", 2, None, (0, 1), lines, False)
    legend = [line for line in shown(report(chart=chart), 80) if line.startswith("━ ")]
    assert len(legend) == 3
    assert [re.sub("^━ ", "", entry) for line in legend for entry in re.split(" {3}", line)] == [
        f"layer {index} of the backbone" for index in range(6)
    ]


def test_commands_to_copy_stay_on_one_line() -> None:
    command = 'pip install --no-build-isolation "detectron2 @ git+https://example.org/detectron2" "numpy<2"'
    assert f"  {command}" in shown(report(notes=(Note("needed", "info", (command,), to_copy=True),)), 60)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    for name in ("convnext-s_wrong-num-layers", "convnext-t_layer-wise"):
        lrdecay("inspect", SAMPLES / f"{name}.py", "-o", f"json={folder / name}.json", "--device", "meta")
    return folder


CALLS = [
    ("inspect", "convnext-s_wrong-num-layers.json"),
    ("inspect", "convnext-s_wrong-num-layers.json", "--by", "layer"),
    ("inspect", "convnext-s_wrong-num-layers.json", "--by", "parameter"),
    ("inspect", "convnext-s_wrong-num-layers.json", "--by", "module"),
    ("diff", "convnext-t_layer-wise.json", "convnext-s_wrong-num-layers.json"),
    ("explain", "convnext-t_layer-wise.json", "backbone.norm3", "backbone.stages.2.*"),
    ("check", "convnext-s_wrong-num-layers.json"),
    ("rule", "LRD3"),
]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_commands_at_80_columns(call: tuple[str, ...], exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exported)
    lines = lrdecay_in_terminal(*call, columns=80, NO_COLOR="1").out.splitlines()
    # A command to copy is one line, however long its path is.
    assert max(len(line) for line in lines if not line.startswith("next: ")) <= 80
    # Compare with the same report in a pipe, where no line is wrapped.
    whole = words(lrdecay(*call).out) | words("hidden columns: ; widen the terminal, or use --format text")
    assert {word for line in lines for word in words(line)} <= whole
