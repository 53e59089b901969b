"""Thousands of damaged maps: every command ends with 0, 1 or 2 and at most one line of error."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import resource
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files.writing import to_json
from tests.group_maps import group_map
from tests.hardening.mutations import mutated, mutated_text
from tests.work import unmeasured

MAP: dict[str, Any] = json.loads(
    to_json(
        group_map(
            {
                "layer_0_decay": {
                    "parameters": {"backbone.stages.0.0.conv.weight": (8, 3), "backbone.pos_embed": (1, 4, 8)},
                    "layer_id": 0, "lr_scale": 0.5, "lr": 0.05, "options": {"betas": [0.9, 0.999]},
                },
                "layer_1_no_decay": {"parameters": {"head.bias": (8,)}, "layer_id": 1, "weight_decay": 0.0},
            },
            frozen={"backbone.norm.weight": (8,)},
            missing={"extra": ()},
            duplicates={"head.again.bias": "head.bias"},
        )
    )
)  # fmt: skip
SETTINGS = """
ignore = ["LRD4", "LRD201"]
fail-on = "warning"
format = "json"

[[assert]]
parameters = "backbone.*"
lr_scale = "<= 1"
weight_decay = "0.0..0.1"
message = "slow"

[[suppress]]
rule = "LRD301"
parameters = "backbone.stages.2.*"
config = "*.py"
reason = "published"
until = 2027-01-31
"""
HANGS = 60.0
"""Seconds of CPU time after which a command counts as hanging."""
MOST_MEMORY = 500 * 2**20
"""Bytes by which all commands together may grow the process."""


class Hangs(BaseException):
    """A command does not end."""


@contextlib.contextmanager
def must_end() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def ends_well(arguments: Sequence[str]) -> int:
    """Run a command in this process; it must end with a documented exit code and at most one line of error."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), must_end():
        code = run(arguments)
    assert code in (0, 1, 2), (code, err.getvalue())
    assert "internal error" not in err.getvalue(), err.getvalue()
    assert "Traceback" not in err.getvalue()
    assert err.getvalue().count("\n") == (1 if code == 2 else 0), err.getvalue()
    return code


@pytest.fixture
def many(request: pytest.FixtureRequest) -> settings:
    return settings(
        max_examples=request.config.getoption("--mutations"),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutated")
    (folder / "good.json").write_text(json.dumps(MAP), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["inspect", "bad.json", "--by", "module"],
        ["inspect", "bad.json", "--format", "json"],
        ["diff", "good.json", "bad.json", "--format", "markdown"],
        ["check", "bad.json", "--fail-on", "info"],
        ["check", "good.json", "--baseline", "bad.json"],
    ],
    ids=" ".join,
)
def test_maps(command: list[str], folder: Path, many: settings) -> None:
    codes: set[int] = set()
    examples = itertools.count()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    @many
    @given(data=st.data())
    def mutate(data: st.DataObject) -> None:
        (folder / "bad.json").write_bytes(data.draw(mutated(MAP)))
        with unmeasured(after=next(examples)):
            codes.add(ends_well([str(folder / word) if word.endswith(".json") else word for word in command]))

    mutate()
    # Some damage causes an error, and some does not.
    assert len(codes) > 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MOST_MEMORY


def test_settings(folder: Path, many: settings) -> None:
    codes: set[int] = set()
    examples = itertools.count()

    @many
    @given(data=st.data())
    def mutate(data: st.DataObject) -> None:
        (folder / "bad.toml").write_bytes(data.draw(mutated_text(SETTINGS)))
        with unmeasured(after=next(examples)):
            codes.add(ends_well(["check", str(folder / "good.json"), "--settings", str(folder / "bad.toml")]))

    mutate()
    assert len(codes) > 1
