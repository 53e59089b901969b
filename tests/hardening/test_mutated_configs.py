"""Damaged configs of both zoos: each command ends with 0, 1 or 2 and at most one line of error, within limits."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files import find_config
from lrdecay_cli.openmmlab.preloading import preload_stack
from lrdecay_cli.processes.building import needed_packages
from lrdecay_cli.processes.children import in_children
from tests.hardening.config_mutations import KEPT, ZOO, mutated

HANGS = 300.0
"""Seconds after which a config counts as hanging."""
MOST_MEMORY = 2 << 30
"""Bytes by which a child may grow."""


@pytest.fixture(scope="module")
def configs() -> dict[str, dict[str, Any]]:
    preload_stack(needed_packages(ZOO))
    loaded = {name: Config.fromfile(find_config(name)).to_dict() for name in ZOO}
    return {name: {key: config[key] for key in KEPT if key in config} for name, config in loaded.items()}


def ends_well(path: str) -> bytes:
    """Inspect a config and check the map; return exit codes and all output, as JSON."""
    codes, output, report = [], io.StringIO(), str(Path(path).with_suffix(".map.json"))
    commands = [["inspect", path, "--device", "meta", "--by", "module", "--output", f"json={report}"]]
    with contextlib.redirect_stderr(output):
        for command in [*commands, ["check", report, "--fail-on", "info"]]:
            with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
                codes.append(run(command))
            if codes[-1] == 2:
                break
    return json.dumps([codes, output.getvalue()]).encode()


@pytest.mark.slow
def test_each_ends_well(
    configs: dict[str, dict[str, Any]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capfd: pytest.CaptureFixture[str],
) -> None:
    done: dict[str, str] = {}
    for number in range(request.config.getoption("--config-mutations")):
        raw, what = mutated(number, configs, str(tmp_path))
        file = tmp_path / f"config_{number}.py"
        file.write_bytes(raw)
        done[str(file)] = what
    codes: set[int] = set()
    bad = []
    for outcome in in_children(list(done), ends_well, jobs=os.cpu_count() or 1, timeout=HANGS, memory=MOST_MEMORY):
        what = f"{Path(outcome.name).name} {done[outcome.name]}"
        if outcome.lost:
            bad.append(f"{what}: {outcome.lost}, {outcome.reason}")
            continue
        ended, output = json.loads(outcome.answer)
        codes.update(ended)
        if (
            not {*ended} <= {0, 1, 2}
            or "internal error" in output
            or "Traceback" in output
            or [line.startswith("lrdecay: ") for line in output.splitlines()].count(True) != (ended[-1] == 2)
            or not all(line.isprintable() for line in output.splitlines())
        ):
            bad.append(f"{what}: {ended}, {output}")
    assert not bad, "\n".join([f"{len(bad)} of {len(done)}", *bad])
    # Some damage causes an error, and some does not.
    assert codes == {0, 1, 2}
    assert capfd.readouterr() == ("", "")
