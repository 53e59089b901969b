"""The formats of a command agree in its help, its parser, its errors and Tab completion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lrdecay_cli.app.shell.completion import formats_of as completed
from lrdecay_cli.app.shell.completion import outputs_of
from lrdecay_cli.files import to_json
from lrdecay_cli.formats import FORMATS, check_format, formats_of
from tests.checking.maps import decay_map
from tests.commands.running import Run
from tests.commands.test_help import commands

# ``lrdecay watch`` is ``lrdecay check --watch``, with the formats of check.
ALIAS = "watch"
WITH_FORMATS = [
    name
    for name, command in commands().items()
    if name != ALIAS and any("--format" in option.opts for option in command.params)
]
# A call of each command that needs no torch, without the format.
CALLS = {
    "inspect": ["map.json"],
    "explain": ["map.json", "*"],
    "where": ["config.py"],
    "diff": ["map.json", "map.json"],
    "check": ["map.json", "--exit-zero"],
    "baseline": ["map.json", "-o", "golden"],
    "rule": ["LRD301"],
    "merge": ["scan.json"],
    "doctor": [],
}
SCAN = """{"schema_version": 1, "tool": {"name": "lrdecay", "version": "0"}, "device": "cpu", "overrides": [],
 "records": []}"""


@pytest.fixture
def project(tmp_path: Path, here: Run) -> Run:
    (tmp_path / "map.json").write_text(to_json(decay_map(config="config.py")))
    (tmp_path / "scan.json").write_text(SCAN)
    (tmp_path / "config.py").write_text("optim_wrapper = dict(optimizer=dict(lr=0.1))\n")
    return here


def test_commands_are_found() -> None:
    assert set(WITH_FORMATS) == {*CALLS, "suggest", "schedule", "dry-run", "run", "scan"}


def test_the_alias_takes_the_formats_of_its_command() -> None:
    alias, command = (
        next(option for option in commands()[name].params if "--format" in option.opts) for name in (ALIAS, "check")
    )
    assert (alias.help, alias.metavar) == (command.help, command.metavar)
    assert [
        each.value
        for each in alias.shell_complete(commands()[ALIAS].make_context(ALIAS, [], resilient_parsing=True), "")
    ] == [*formats_of("check")]


@pytest.mark.parametrize("command", WITH_FORMATS)
def test_help_and_completion_name_accepted_values(command: str, here: Run) -> None:
    shown = " ".join(here(command, "--help", COLUMNS="100").out.split())
    listed = re.search(r"--format FORMAT (.*?)\. \[default: rich on a terminal, else text\]", shown)
    assert listed is not None
    assert tuple(re.split(r", | or ", listed[1])) == formats_of(command)
    assert tuple(completed(command)("")) == formats_of(command)
    assert outputs_of(command)("j") == [f"{name}=" for name in formats_of(command) if name.startswith("j")]
    # Test the real completion request of the shell, and not only its source data.
    option = next(param for param in commands()[command].params if "--format" in param.opts)
    context = commands()[command].make_context(command, [], resilient_parsing=True)
    assert [each.value for each in option.shell_complete(context, "")] == [*formats_of(command)]


@pytest.mark.parametrize("command", WITH_FORMATS)
@pytest.mark.parametrize("format_name", [*FORMATS, "nosuch"])
def test_an_unsupported_format_lists_the_supported_ones(command: str, format_name: str, project: Run) -> None:
    if format_name in formats_of(command):
        check_format(format_name, command=command)
        return
    result = project(command, *CALLS.get(command, ["map.json"]), "--format", format_name)
    assert (result.code, result.out) == (2, "")
    assert result.err.rstrip().endswith(f" {', '.join(formats_of(command))}"), result.err
    assert result.err.startswith("lrdecay: --format: ")


@pytest.mark.parametrize(("command", "format_name"), [(each, name) for each in CALLS for name in formats_of(each)])
def test_offered_formats_are_written(command: str, format_name: str, project: Run) -> None:
    result = project(command, *CALLS[command], "--format", format_name)
    assert result.code == 0, result.err
    assert result.err == ""
    assert result.out or format_name in ("github", "ndjson")


def test_a_format_of_others_names_them(project: Run) -> None:
    error = project("inspect", "map.json", "--format", "sarif").err
    assert error == "lrdecay: --format: sarif is only for check; inspect writes rich, text, json, markdown, csv, html\n"
    assert "ndjson is only for scan, merge and check; " in project("inspect", "map.json", "--format", "ndjson").err


def test_the_page_of_commands_has_the_formats_of_each() -> None:
    page = Path(__file__, "../../../docs/commands.md").resolve().read_text(encoding="utf-8")
    rows = re.findall(r"^  \| (.+?) \| (?:also )?(`.+`) \|$", page, re.MULTILINE)
    formats = {names: re.findall(r"`(\w+)`", listed) for names, listed in rows}
    common = formats.pop("all commands with a report")
    for command in WITH_FORMATS:
        more = next((listed for names, listed in formats.items() if f"`{command}`" in names), [])
        assert sorted([*common, *more]) == sorted(formats_of(command)), command
