"""``inspect`` end to end: its output on a terminal, in a pipe and in files."""

from __future__ import annotations

import csv
import json
import re
import shlex
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.checking.embedded_findings import inspected_findings
from lrdecay_cli.files import read_map
from tests.commands.running import SAMPLES, lrdecay, lrdecay_in_terminal

LAYER_WISE = SAMPLES / "convnext-t_layer-wise.py"
OVERFLOW = SAMPLES / "convnext-s_wrong-num-layers.py"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of the layer-wise sample, with the text, Markdown and CSV reports of the same run."""
    folder = tmp_path_factory.mktemp("exported")
    outputs = [f"--output={name}={folder}/map.{name}" for name in ("json", "text", "markdown", "csv")]
    result = lrdecay("inspect", LAYER_WISE, *outputs)
    assert (result.code, result.err) == (0, "")
    assert result.out == (folder / "map.text").read_text()
    return folder


def test_json_is_valid_and_complete(exported: Path) -> None:
    schema = json.loads(lrdecay("schema").out)
    Draft202012Validator.check_schema(schema)
    data = json.loads((exported / "map.json").read_text())
    Draft202012Validator(schema).validate(data)
    described = schema["$defs"]["GroupMap"]
    assert [key for key in data if key in described["required"]] == described["required"]
    assert data.keys() <= described["properties"].keys()
    assert data["config"]["path"] == str(LAYER_WISE)
    assert [group["name"] for group in data["groups"]][:3] == ["layer_0_decay", "layer_0_no_decay", "layer_2_no_decay"]
    assert (
        sum(len(group["parameters"]) for group in data["groups"]) == data["model"]["totals"]["grouped_tensors"] == 228
    )
    first = data["groups"][0]["parameters"][0]
    assert first["name"] == "backbone.downsample_layers.0.0.weight"
    assert eval(first["provenance"]["lr_scale"]["formula"]) == data["groups"][0]["lr_scale"]


def test_text_shows_the_whole_group_map(exported: Path) -> None:
    text = (exported / "map.text").read_text()
    assert "ConvNeXt" in text
    assert "LearningRateDecayOptimizerConstructor" in text
    rows = re.findall(r"^layer_(\d+)_(?:no_)?decay +(\d+) +([\d.]+) ", text, re.M)
    assert [int(layer) for _, layer, _ in rows] == sorted(2 * [*range(8)])
    assert float(rows[0][2]) == pytest.approx(0.95**7, rel=1e-3)
    assert text.splitlines()[-1] == (
        "16 groups with 228 of 228 tensors; 48,095,376 of 48,095,376 parameters; 0 frozen; 0 missing; 0 duplicates"
    )


def test_csv_has_full_numbers(exported: Path) -> None:
    rows = list(csv.DictReader(StringIO((exported / "map.csv").read_text())))
    group_map = read_map(str(exported / "map.json"))
    assert {row["group"]: float(row["lr"]) for row in rows} == {group.name: group.lr for group in group_map.groups}
    assert sum(int(row["parameters"]) for row in rows) == group_map.model.totals.parameters


def test_markdown_is_a_table(exported: Path) -> None:
    lines = (exported / "map.markdown").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 18
    assert len({line.count("|") for line in table}) == 1


def test_a_map_is_inspected_like_its_config(exported: Path) -> None:
    assert lrdecay("inspect", exported / "map.json").out == (exported / "map.text").read_text()


def test_terminal_is_rich_and_pipe_is_text(exported: Path) -> None:
    on_terminal = lrdecay_in_terminal("inspect", exported / "map.json")
    assert "\x1b[" in on_terminal.out
    assert "━" in on_terminal.out or "─" in on_terminal.out
    assert "█" in on_terminal.out
    plain = lrdecay_in_terminal("inspect", exported / "map.json", NO_COLOR="1")
    assert "\x1b[" not in plain.out
    assert "█" in plain.out
    forced = lrdecay("inspect", exported / "map.json", "--format", "rich", FORCE_COLOR="1")
    assert "\x1b[" in forced.out
    never = lrdecay("inspect", exported / "map.json", "--format", "rich", "--color", "never", FORCE_COLOR="1")
    assert "\x1b[" not in never.out


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_names_are_folded_but_never_cut(exported: Path, columns: int) -> None:
    shown = lrdecay_in_terminal(
        "inspect", exported / "map.json", "--by", "parameter", "--color", "never", columns=columns
    )
    assert "…" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= columns


def test_views(exported: Path) -> None:
    layers = lrdecay("inspect", exported / "map.json", "--by", "layer").out
    assert re.search(r"^ +4 .*backbone\.stages\.2\.\{?3-5\}?\.\*", layers, re.M), layers
    tree = lrdecay("inspect", exported / "map.json", "--by", "module").out
    assert re.search(r"^│   ├── stages +mixed +mixed +mixed", tree, re.M), tree
    assert re.search(r"^│   │   ├── 0 ", tree, re.M), tree
    parameters = lrdecay("inspect", exported / "map.json", "--by", "parameter", "--filter", "backbone.norm*").out
    assert parameters.count("backbone.norm") == 8
    assert "(shown: 8 tensors)" in parameters


@pytest.mark.parametrize("sort", ["lr", "-lr", "tensors", "-parameters", "group"])
def test_sort(exported: Path, sort: str) -> None:
    out = lrdecay("inspect", exported / "map.json", "--sort", sort, "--format", "csv").out
    column = sort.removeprefix("-")
    cells = [row[column] for row in csv.DictReader(StringIO(out))]
    values = cells if column == "group" else [float(cell) for cell in cells]
    assert values == sorted(values, reverse=sort.startswith("-"))


def test_cfg_options_as_openmmlab_users_type_them() -> None:
    result = lrdecay(
        "inspect",
        "--cfg-options",
        "optim_wrapper.optimizer.lr=0.001",
        "optim_wrapper.paramwise_cfg.decay_rate=0.5",
        LAYER_WISE,
        "--format=json",
        "--device=meta",
    )
    data = json.loads(result.out)
    assert data["base_lr"] == 0.001
    assert data["constructor"]["options"]["decay_rate"] == 0.5
    assert data["config"]["overrides"] == {
        "optim_wrapper.optimizer.lr": 0.001,
        "optim_wrapper.paramwise_cfg.decay_rate": 0.5,
    }


def test_zoo_name_and_verbose() -> None:
    result = lrdecay("inspect", "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py", "-v")
    assert result.code == 0, result.err
    assert re.search(
        r"^duplicates: \d+ further names of shared tensors; each shared tensor is counted once$", result.out, re.M
    )
    assert "mmcv" in result.out
    assert re.search(r"^\d+ groups: group_\d+ … group_\d+ ", result.out, re.M)


def test_frozen_parameters_are_reported() -> None:
    result = lrdecay("inspect", SAMPLES / "resnet-50_default.py")
    assert "frozen, but in a group: 33 tensors" in result.out, result.out
    assert "33 frozen (33 in groups)" in result.out.splitlines()[-1]
    rows = csv.DictReader(
        StringIO(lrdecay("inspect", SAMPLES / "resnet-50_default.py", "--by", "parameter", "-f", "csv").out)
    )
    assert sum(row["state"] == "frozen" for row in rows) == 33


def test_numbered_groups_say_where_their_parameters_are() -> None:
    rows = list(csv.DictReader(StringIO(lrdecay("inspect", SAMPLES / "swin-t_custom-keys.py", "--format", "csv").out)))
    assert [row["group"] for row in rows] == ["143 groups: group_0 … group_218", "76 groups: group_2 … group_176"]
    assert "{neck,rpn_head,roi_head}.*" in rows[0]["where"]
    assert "backbone.*.{norm,norm1,norm2}.{weight,bias}" in rows[1]["where"]
    named = lrdecay("inspect", LAYER_WISE, "--format", "csv").out
    assert "where" not in named.partition("\n")[0].split(",")


def test_cold_scale_above_one_is_shown_red() -> None:
    shown = lrdecay_in_terminal("inspect", OVERFLOW, "--device", "meta")
    assert re.search(r"\x1b\[1;31m *4\.165", shown.out), shown.out
    finding = "error: LRD301 scale-above-one: 8 groups train faster than the base lr, up to 4.16 times"
    assert f"\n{finding}" in lrdecay("inspect", OVERFLOW).out
    assert (
        "  backbone.stages.2.{15-26}.*  (108 tensors)\n  fix: set num_layers=12, which fits"
        in lrdecay("inspect", OVERFLOW).out
    )
    narrow = lrdecay("inspect", OVERFLOW, "--filter", "backbone.stages.2.20").out
    assert f"\n{finding}" in narrow
    assert "(here for 9 of 108 tensors)\n  backbone.stages.2.20.*  (9 tensors)\n" in narrow
    assert "LRD301" not in lrdecay("inspect", OVERFLOW, "--filter", "neck").out


def test_the_next_step_shows_a_fix_where_there_is_one(tmp_path: Path) -> None:
    lrdecay("inspect", OVERFLOW, f"--output=json={tmp_path}/map.json")
    group_map = read_map(str(tmp_path / "map.json"))
    findings = inspected_findings(group_map)
    step = inspection(group_map, findings=findings).report.next_step
    assert step == f"lrdecay check {OVERFLOW} --diff  # shows the fixes; --fix applies them"
    patch = lrdecay(*shlex.split(step, comments=True)[1:])
    assert "num_layers=12" in patch.out
    # A zoo's config cannot be edited, and some findings have no such fix.
    zoo = msgspec.structs.replace(group_map, config=msgspec.structs.replace(group_map.config, path="mmdet::a.py"))
    assert inspection(zoo, findings=findings).report.next_step == "lrdecay check mmdet::a.py"
    without = [msgspec.structs.replace(finding, fixes=()) for finding in findings]
    assert inspection(group_map, findings=without).report.next_step == f"lrdecay check {OVERFLOW}"
    assert inspection(group_map).report.next_step == ""
