"""Maps of models with very many parameters: every view, comparison and check takes seconds, and little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lrdecay_cli.domain.group_map import Constructor
from lrdecay_cli.files.json_text import to_json
from tests.group_maps import group_map

TENSORS = 50_000
LONGEST = 8.0
"""Seconds of CPU time: several times what the slowest takes. What is quadratic takes minutes."""
MOST_MEMORY = 500 * 2**20

COMMANDS = [
    ["inspect", "few.json", "--by", "layer"],
    ["inspect", "few.json", "--format", "html"],
    ["inspect", "each.json", "--by", "module", "--format", "markdown"],
    ["diff", "few.json", "each.json"],
    ["check", "each.json", "--fail-on", "error"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two maps: 20 groups that hold all tensors, and a group for each tensor, as mmengine makes for custom keys."""
    folder = tmp_path_factory.mktemp("large")
    names = [f"backbone.blocks.{n // 12}.part{n % 12}.{'bias' if n % 2 else 'weight'}" for n in range(TENSORS)]
    few = {f"layer_{i}_decay": {"parameters": dict.fromkeys(names[i::20], (8, 3)), "layer_id": i} for i in range(20)}
    keys = {"custom_keys": {f"part{n}": {"lr_mult": n / 7} for n in range(1, 12)}}
    each = {f"group_{n}": {"parameters": {name: (8, 3)}, "lr_scale": (n % 12) / 7} for n, name in enumerate(names)}
    (folder / "few.json").write_text(to_json(group_map(few)))
    (folder / "each.json").write_text(
        to_json(group_map(each, constructor=Constructor("DefaultOptimWrapperConstructor", keys)))
    )
    return folder


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_seconds_and_megabytes(command: list[str], folder: Path) -> None:
    # A process that has done it says what it took.
    script = (
        "import sys, time\nfrom lrdecay_cli.app.shell.main import run\ncode = run(sys.argv[1:])\n"
        # Not getrusage: what that tells of memory is inherited from whoever started the process.
        "(most,) = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(code, time.process_time(), most, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, capture_output=True, text=True, timeout=300, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    code, seconds, kilobytes = done.stderr.split()
    assert code in ("0", "1")
    assert done.stdout
    assert float(seconds) < LONGEST
    assert int(kilobytes) * 1024 < MOST_MEMORY
