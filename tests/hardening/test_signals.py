"""SIGINT and SIGTERM at many moments: no file is half-written, nothing is left behind, and the exit code tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from lrdecay_cli.files.writing import to_json
from tests.commands.running import COMMAND
from tests.group_maps import group_map
from tests.hardening.odd_configs import ORDINARY

MAPS = 150
ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143}
META = ["--device", "meta"]
COMMANDS = {
    "write a large report": ["inspect", "large.json", "--output", "html=out/large.html", "--output", "json=out/a.json"],
    "write many baselines": ["baseline", "maps", "--output", "out"],
    "build": ["inspect", "a.py", *META, "--output", "json=out/a.json"],
    "build several": ["scan", "a.py", "b.py", "c.py", *META, "--maps", "out", "--resume", "out/journal"],
    "build isolated": ["inspect", "a.py", *META, "--isolate", "--output", "json=out/a.json"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    for name in ("a", "b", "c"):
        (folder / f"{name}.py").write_text(ORDINARY)
    shapes = {f"backbone.blocks.{n}.conv.weight": (8, 3) for n in range(8000)}
    (folder / "large.json").write_text(to_json(group_map({"decay": {"parameters": shapes}})))
    (folder / "maps").mkdir()
    small = to_json(group_map({"decay": {"parameters": dict(list(shapes.items())[:200])}}))
    for n in range(MAPS):
        (folder / "maps" / f"{n}.json").write_text(small.replace("config.py", f"{n}.py"))
    return folder


class Run:
    """A command in a process of its own, with folders of its own for what it writes."""

    def __init__(self, project: Path, folder: Path, command: list[str]) -> None:
        self.folder = folder
        (folder / "out").mkdir(parents=True)
        (folder / "tmp").mkdir()
        for entry in project.iterdir():
            (folder / entry.name).symlink_to(entry)
        environment = {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder / "tmp"), "MARK": str(folder)}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*COMMAND, *command], cwd=folder, env={**os.environ, **environment},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def end(self) -> tuple[int, str]:
        """Exit code, and what it said."""
        said = self.process.communicate(timeout=120)[1]
        return self.process.returncode, said

    def left_behind(self) -> list[str]:
        """What should not be there: temporary files, files that are not whole, processes."""
        files = [file for file in self.folder.rglob("*") if not file.is_symlink()]
        left = [str(file) for file in files if ".part" in file.name or self._is_temporary(file)]
        left += [str(file) for file in files if file.suffix in (".json", ".html") and not is_whole(file)]
        deadline = time.monotonic() + 5
        while (alive := list(self._processes())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left + alive

    def _is_temporary(self, file: Path) -> bool:
        # torch makes itself a folder for compiled code, which stays; mmengine's own are left by a child that is killed.
        return file.parent == self.folder / "tmp" and not file.name.startswith(("torchinductor", "tmp"))

    def _processes(self) -> Iterator[str]:
        mark = f"MARK={self.folder}\0".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    yield (process / "cmdline").read_text()


def is_whole(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    try:
        return text.rstrip().endswith("</html>") if file.suffix == ".html" else bool(json.loads(text))
    except ValueError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("doing", COMMANDS)
def test_nothing_is_left_half_done(doing: str, project: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    undisturbed = Run(project, tmp_path / "undisturbed", COMMANDS[doing])
    code, said = undisturbed.end()
    assert code == 0, said
    assert undisturbed.left_behind() == []
    took = time.monotonic() - undisturbed.started
    moments = request.config.getoption("--moments")

    def disturb(moment: int) -> str:
        run = Run(project, tmp_path / str(moment), COMMANDS[doing])
        # Before its first line a Python program cannot say how it ends.
        time.sleep(0.1 + (took - 0.1) * (moment + 0.5) / moments)
        how = list(ENDS)[moment % 2]
        run.process.send_signal(how)
        code, said = run.end()
        told = "interrupted" in said.splitlines()[-1] if code else True
        good = code in (0, ENDS[how]) and told and "Traceback" not in said and not run.left_behind()
        return "" if good else f"{moment} of {moments}: {how.name}, {code}, {said:.500}, {run.left_behind()}"

    with ThreadPoolExecutor(2) as executor:
        assert [bad for bad in executor.map(disturb, range(moments)) if bad] == []
