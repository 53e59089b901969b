"""README and ``--help`` agree on commands and options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from lrdecay_cli.app.shell.arguments import spread_cfg_options, with_command
from lrdecay_cli.app.shell.cli import command_line
from tests.commands.running import Run, lrdecay

README = Path(__file__, "../../../README.md").resolve().read_text(encoding="utf-8")
# "lrdecay: error", "lrdecay_cli" and "lrdecay" in a sentence are not calls.
CALL = re.compile(r"(?:^\$ |`|&& |^)lrdecay ((?:[a-z]|--)[^`\n]*)", re.MULTILINE)


def commands() -> dict[str, Any]:
    group: Any = command_line([])
    return dict(group.commands)


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("-")} | {"--help", "-h"}


def calls() -> list[list[str]]:
    """Return every call of lrdecay in README, without shell operators."""
    code = "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", README, re.MULTILINE | re.DOTALL))
    return [shlex.split(re.split(r" > | \| | && |  +#", call)[0], comments=True) for call in CALL.findall(code)]


def test_calls_are_found() -> None:
    assert len(calls()) > 5
    assert ["explain", "config.py", "backbone.norm3"] in calls()


@pytest.mark.parametrize("call", calls(), ids=" ".join)
def test_every_call_in_readme_parses(call: list[str]) -> None:
    """The real parser accepts the call with its arguments and values; the command does not run."""
    arguments = spread_cfg_options(with_command(call))
    name = arguments[0]
    if name.startswith("-"):
        assert name in ("--help", "--version")
        return
    command = commands()[name]
    # The name of a command alone needs no arguments.
    if len(arguments) > 1:
        command.make_context(name, arguments[1:])


def test_every_option_in_readme_exists() -> None:
    known = {option for command in commands().values() for option in options(command)} | {"--version"}
    # Options of pip, pytest and ruff are in bash blocks; calls of lrdecay are in console blocks and sentences.
    prose = re.sub(r"^```bash.*?^```|`(?:pip|pytest) [^`]*`", "", README, flags=re.MULTILINE | re.DOTALL)
    named = {*re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose)}
    assert named
    assert named <= known


def test_every_command_is_in_readme_and_in_help() -> None:
    shown = lrdecay("--help").out
    for name in commands():
        assert re.search(rf"^  {name} ", shown, re.MULTILINE), name
        assert f"lrdecay {name}" in README, name


@pytest.mark.parametrize("name", commands())
def test_help_names_every_option(name: str) -> None:
    shown = lrdecay(name, "--help")
    assert shown.code == 0
    assert options(commands()[name]) <= {*re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown.out)}


def examples(name: str) -> list[str]:
    """Return the calls in the help of a command."""
    text = commands()[name].help or ""
    return [line.strip() for line in text.splitlines() if line.strip().startswith("lrdecay ")]


@pytest.mark.parametrize("name", commands())
def test_help_has_examples_and_fits_a_terminal(name: str, here: Run) -> None:
    assert len(examples(name)) >= 2
    shown = here(name, "--help", COLUMNS="80").out
    assert max(map(len, shown.splitlines())) <= 80
    assert all(f"\n  {example}\n" in shown for example in examples(name))


def test_the_list_of_commands_is_not_cut(here: Run) -> None:
    shown = here("--help", COLUMNS="80").out
    assert max(map(len, shown.splitlines())) <= 80
    assert "..." not in shown.partition("Commands:")[2]
