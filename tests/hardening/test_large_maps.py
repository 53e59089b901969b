"""Maps of models with very many parameters: each view, comparison and check needs little memory and linear time."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.files.writing import to_json
from tests.group_maps import group_map
from tests.work import growth

TENSORS = 8_000
# Nearly twice the measured memory: 27 MiB before it reads a map, and 5 kB for each tensor.
MOST_MEMORY = 116 * 2**20

COMMANDS = [
    ["inspect", "few.json", "--by", "layer"],
    ["inspect", "few.json", "--format", "html"],
    ["inspect", "each.json", "--by", "module", "--format", "markdown"],
    ["diff", "few.json", "each.json"],
    ["check", "each.json", "--fail-on", "error"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    write_maps(folder, TENSORS)
    return folder


def write_maps(folder: Path, tensors: int) -> None:
    """Return two maps: 20 groups with all tensors, and a group for each tensor, as mmengine builds for custom keys."""
    names = [f"backbone.blocks.{n // 12}.part{n % 12}.{'bias' if n % 2 else 'weight'}" for n in range(tensors)]
    few = {f"layer_{i}_decay": {"parameters": dict.fromkeys(names[i::20], (8, 3)), "layer_id": i} for i in range(20)}
    keys = {"custom_keys": {f"part{n}": {"lr_mult": n / 7} for n in range(1, 12)}}
    each = {f"group_{n}": {"parameters": {name: (8, 3)}, "lr_scale": (n % 12) / 7} for n, name in enumerate(names)}
    (folder / "few.json").write_text(to_json(group_map(few)))
    (folder / "each.json").write_text(
        to_json(group_map(each, constructor=Constructor("DefaultOptimWrapperConstructor", keys)))
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_megabytes(command: list[str], folder: Path) -> None:
    # A process that has finished reports its own memory.
    script = (
        "import sys\nfrom lrdecay_cli.app.shell.main import run\ncode = run(sys.argv[1:])\n"
        # Not getrusage: its value of memory is inherited from the parent process.
        "(most,) = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(code, most, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, capture_output=True, text=True, timeout=300, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    code, kilobytes = done.stderr.split()
    assert code in ("0", "1")
    assert done.stdout
    assert int(kilobytes) * 1024 < MOST_MEMORY


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_work_grows_linearly(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def working(tensors: int) -> Callable[[], None]:
        folder = tmp_path / str(tensors)
        folder.mkdir(exist_ok=True)
        write_maps(folder, tensors)

        def work() -> None:
            monkeypatch.chdir(folder)
            with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
                assert run(command) in (0, 1)

        return work

    assert growth(working, 240) < 12
