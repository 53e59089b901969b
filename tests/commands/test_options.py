"""Blocks of options: typer gets each option separately, and a command gets the blocks."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer

from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, expanded
from tests.commands.test_help import commands

SHARED = (
    *("--jobs", "--config", "--cfg-options", "--device", "--format", "--output", "--color", "--verbose", "--exact"),
    *("--no-cache", "--isolate", "--no-settings", "--settings", "--traceback"),
)
# Options that a command declares itself, or shows in another place.
OWN = {
    "scan": {"--jobs"},
    "baseline": {"--output"},
    "schedule": {"--format", "--output"},
    "run": {"--format", "--output"},
}


def shown(command: Any) -> list[str]:
    return [parameter.opts[0] for parameter in command.params if parameter.opts[0].startswith("-")]


@pytest.mark.parametrize("name", [name for name in commands() if name not in ("schema", "cache")])
def test_shared_options_have_the_same_order(name: str) -> None:
    options = [option for option in shown(commands()[name]) if option in SHARED and option not in OWN.get(name, ())]
    assert options == [option for option in SHARED if option in options]
    assert shown(commands()[name])[-3:] == ["--no-settings", "--settings", "--traceback"]


def test_a_command_gets_its_blocks() -> None:
    got: list[Any] = []

    @expanded(without=("isolate", "output"), first=("format_name",))
    def inspect(
        config: Annotated[str, typer.Argument()],
        jobs: Annotated[int, typer.Option("--jobs")] = 3,
        *,
        build: BuildOptions,
        output: OutputOptions,
        verbose: Annotated[bool, typer.Option("--verbose", help="Mine.")] = False,
    ) -> None:
        """Mine."""
        got.extend((config, jobs, build, output, verbose))

    app = typer.Typer()
    app.command()(inspect)
    command: Any = typer.main.get_command(app)
    options = [option for option in shown(command) if option in SHARED]
    assert options == ["--jobs", "--format", *SHARED[1:4], *SHARED[6:10], *SHARED[11:]]
    assert command.help == "Mine."
    app(["a.py", "--verbose", "--device", "meta", "-f", "csv"], standalone_mode=False)
    build = BuildOptions(jobs=3, device="meta", verbose=True)
    assert got == ["a.py", 3, build, OutputOptions("inspect", "csv"), True]
