"""Run every command that accepts JSON maps, in each of its formats, with only lrdecay's own dependencies installed."""

from __future__ import annotations

import json

import pytest

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.files import to_json, write_text
from tests.group_maps import group_map

DECAY = Constructor("LearningRateDecayOptimizerConstructor", {"decay_rate": 0.5, "num_layers": 1})
# Command: (its arguments, their exit code, text that every format must contain). Layer 0 of B trains at twice the base
# lr.
COMMANDS = {
    "inspect": (["inspect", "A"], 0, "layer_0"),
    "diff": (["diff", "A", "B"], 1, "backbone.conv"),
    "check": (["check", "B"], 1, "LRD301"),
}


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("maps")
    for name, scale in (("A", 0.5), ("B", 2.0)):
        groups = {
            "layer_0": dict(layer_id=0, lr_scale=scale, lr=0.1 * scale, parameters={"backbone.conv.weight": (8, 3)}),
            "layer_1": dict(layer_id=1, lr_scale=1.0, parameters={"head.weight": (4, 8)}),
        }
        write_text(folder / f"{name}.json", to_json(group_map(groups, constructor=DECAY)))
    return {name: str(folder / f"{name}.json") for name in "AB"}


@pytest.mark.parametrize("format_name", ["rich", "text", "json", "markdown", "csv"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_format(command: str, format_name: str, maps: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments, code, named = COMMANDS[command]
    assert run([*(maps.get(argument, argument) for argument in arguments), "--format", format_name]) == code
    printed = capsys.readouterr()
    assert printed.err == ""
    assert named in printed.out
    if format_name == "json":
        json.loads(printed.out)
