"""``explain`` end to end: configs and maps, formats, terminals, and questions without a result."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.files import read_map, to_json
from tests.commands.running import SAMPLES, lrdecay, lrdecay_cold, lrdecay_in_terminal
from tests.group_maps import group_map

CONFIG = SAMPLES / "swin-t_custom-keys.py"
QUESTION = ("backbone.stages.0", "backbone.patch_embed", "--why-not", "backbone.norm3", "--group", "group_7")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config's map."""
    path = tmp_path_factory.mktemp("exported") / "map.json"
    result = lrdecay("inspect", CONFIG, "-f", "json", "-o", f"json={path}")
    assert result.code == 0, result.err
    return path


def test_a_map_is_explained_like_its_config(exported: Path) -> None:
    of_config = lrdecay("explain", CONFIG, *QUESTION)
    assert (of_config.code, of_config.err) == (0, "")
    # A map does not record which lines set the options.
    sections = [each for each in of_config.out.split("\n\n") if not each.startswith("Where the options are set\n")]
    assert len(sections) == len(of_config.out.split("\n\n")) - 1
    assert lrdecay("explain", exported, *QUESTION).out == "\n\n".join(sections)
    assert "custom_keys['norm']" in of_config.out
    assert "lr, weight decay  custom_keys['norm']" in of_config.out


@pytest.mark.parametrize("pattern", ["*", "backbone.norm3"])
def test_json_is_valid_and_the_same_on_every_run(exported: Path, pattern: str) -> None:
    first, second = (run("explain", exported, pattern, *QUESTION[2:], "-f", "json") for run in (lrdecay, lrdecay_cold))
    assert first.out == second.out
    schema = json.loads(lrdecay("schema", "explain").out)
    data = json.loads(first.out)
    Draft202012Validator(schema).validate(data)
    named = [name for explanation in data["explanations"] for name in explanation["parameters"]]
    if pattern == "*":
        assert sorted(named) == sorted(parameter.name for _, parameter in read_map(str(exported)).grouped())
    assert data["why_not"][0]["parameters"] == ["backbone.norm3.weight", "backbone.norm3.bias"]
    assert data["known"] is True


@pytest.mark.parametrize("format_name", ["rich", "text", "json", "markdown", "csv"])
def test_every_format(exported: Path, format_name: str) -> None:
    result = lrdecay("explain", exported, *QUESTION, "-f", format_name)
    assert (result.code, result.err) == (0, "")
    assert "relative_position_bias_table" in result.out.replace("\n", "")


def test_csv_has_a_row_for_each_parameter_with_formulas_that_recompute(exported: Path) -> None:
    rows = list(csv.DictReader(StringIO(lrdecay("explain", exported, "*", "-f", "csv").out)))
    real = {parameter.name: group for group, parameter in read_map(str(exported)).grouped()}
    assert {row["name"] for row in rows} == set(real)
    for row in rows:
        assert eval(row["lr_formula"]) == float(row["lr"]) == real[row["name"]].lr
        assert eval(row["weight_decay_formula"]) == float(row["weight_decay"])
        assert row["group"] == real[row["name"]].name


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_terminal(exported: Path, columns: int) -> None:
    shown = lrdecay_in_terminal("explain", exported, *QUESTION[2:], "backbone.norm3", "--color=never", columns=columns)
    # Notes are wrapped at the width of the terminal.
    tables, _, _ = shown.out.partition("options never read by")
    assert max(map(len, tables.splitlines())) <= columns
    assert "hidden columns" not in tables
    # No text is cut: a folded cell contains its whole text.
    whole = "".join(lrdecay("explain", exported, *QUESTION[2:], "backbone.norm3").out.partition("warning:")[0].split())
    assert sorted("".join(tables.replace("─", "").split())) == sorted(whole)


def test_verbose_names_every_parameter_and_key(exported: Path) -> None:
    folded, spelled = (lrdecay("explain", exported, "backbone.norm3", *verbose).out for verbose in ([], ["-v"]))
    assert "2 other keys" in folded
    assert "backbone.norm3.* (2 tensors)" in folded
    assert "custom_keys['absolute_pos_embed']" in spelled
    assert "backbone.norm3.weight: in group_" in spelled
    assert "other keys" not in spelled


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["backbone.norm4"], "PATTERN: no parameter or group matches 'backbone.norm4'; did you mean backbone.norm"),
        ([], "PATTERN: nothing to explain; name a parameter, or give '*' for all parameters"),
        (["--why-not", "backbone.norm3"], "--group: --why-not and --group must be given together; give --group too"),
        (
            ["--why-not", "backbone.norm3", "--group", "grup_7"],
            "--group: no group, parameter or module 'grup_7'; did you mean group_7?",
        ),
        (["backbone", "-f", "ndjson"], "--format: ndjson is only for scan, merge and check; explain writes rich, text"),
    ],
)
def test_errors_are_one_line(exported: Path, arguments: list[str], error: str) -> None:
    result = lrdecay("explain", exported, *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"lrdecay: {error}"), result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("format_name", ["rich", "text", "markdown"])
def test_hostile_names_are_inert(tmp_path: Path, format_name: str) -> None:
    name = "head.\x1b[2J[bold]x[/bold].weight"
    (tmp_path / "map.json").write_text(to_json(group_map({"g\x1b[31m": {"parameters": {name: (2, 2)}}})))
    result = lrdecay("explain", tmp_path / "map.json", "head*", "-f", format_name)
    assert result.code == 0, result.err
    assert "\x1b" not in result.out
    assert "bold" in result.out
