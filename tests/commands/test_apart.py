"""Configs that are built in processes of their own: what one of them does to its process is told, and no other's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lrdecay_cli.app.requests.apart import built_apart
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from tests.group_maps import group_map
from tests.hardening.odd_configs import ORDINARY


def build(config: str) -> GroupMap:
    """As configs of these names do."""
    if config == "refused.py":
        raise LrdecayError("is odd", where="refused.py", remedy="mend it", status="no-model")
    if config == "lost.py":
        os._exit(7)
    return group_map({config: {"parameters": {"weight": (2, 2)}}})


def test_each_has_the_map_of_its_own_process() -> None:
    found = built_apart(["a.py", "b.py"], build, verbose=False)
    assert {config: found[config].groups[0].name for config in found} == {"a.py": "a.py", "b.py": "b.py"}


@pytest.mark.parametrize(
    ("configs", "line", "status"),
    [
        (["a.py", "refused.py"], "refused.py: is odd; mend it", "no-model"),
        (
            ["lost.py", "a.py"],
            "lost.py: the process that built it was lost: ended its process with",
            "error",
        ),
        # In the order that they were given in, whichever failed first.
        (["lost.py", "refused.py"], "lost.py: the process that built it was lost", "error"),
    ],
    ids=" ".join,
)
def test_the_first_that_fails_is_told(configs: list[str], line: str, status: str) -> None:
    with pytest.raises(LrdecayError) as raised:
        built_apart(configs, build, verbose=False)
    assert raised.value.line().startswith(line)
    assert raised.value.status == status


def test_a_check_goes_on_without_one_that_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.py").write_text(ORDINARY)
    Path("lost.py").write_text("__import__('os')._exit(3)\n")
    Path("no_map.json").write_text("{")
    assert run(["check", ".", "--device", "meta", "--format", "json", "--fail-on", "error"]) == 2
    result = json.loads(capfd.readouterr().out)
    assert [checked["config"] for checked in result["checked"]] == ["good.py"]
    (unjudged,) = result["unjudged"]
    assert (unjudged["config"], unjudged["status"]) == ("lost.py", "crashed")
    assert "exit code 3" in unjudged["problem"]
