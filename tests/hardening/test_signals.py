"""SIGINT and SIGTERM at many moments: no file is incomplete, nothing remains, and the exit code shows the signal."""

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
from tests.commands.running import COMMAND, lrdecay
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
FORKED = ("build several", "build isolated")
"""Commands that start with torch in memory: signals arrive during their work, not during imports."""


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
    """A command in its own process, with its own folders for output."""

    def __init__(self, project: Path, folder: Path, command: list[str]) -> None:
        self.folder, self.command = folder, command
        (folder / "out").mkdir(parents=True)
        (folder / "tmp").mkdir()
        for entry in project.iterdir():
            (folder / entry.name).symlink_to(entry)
        self.listens = self.ended = 0.0

    def ends(self, *, cold: bool, after: float = 0.0, how: signal.Signals | None = None) -> tuple[int, str]:
        """Return exit code and stderr after the signal ``how``, which is sent ``after`` so many seconds."""

        def disturb(pid: int) -> None:
            # Before its first line, a Python program cannot decide its exit code.
            while not catches(pid, signal.SIGTERM):
                time.sleep(0.005)
            self.listens = time.monotonic()
            if how:
                time.sleep(after)
                with suppress(ProcessLookupError):
                    os.kill(pid, how)

        temporary = {"TMPDIR": str(self.folder / "tmp")}
        if cold:
            environment = {**os.environ, **temporary, "PYTHONPATH": os.pathsep.join(sys.path)}
            process = subprocess.Popen(
                [*COMMAND, *self.command], cwd=self.folder, env=environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
            disturb(process.pid)
            err = process.communicate(timeout=120)[1]
            code = process.returncode
        else:
            result = lrdecay(*self.command, cwd=self.folder, meanwhile=disturb, **temporary)
            code, err = result.code, result.err
        self.ended = time.monotonic()
        return code, err

    def left_behind(self) -> list[str]:
        """Return leftovers: temporary files, incomplete files, processes."""
        files = [file for file in self.folder.rglob("*") if not file.is_symlink()]
        left = [str(file) for file in files if ".part" in file.name or self._is_temporary(file)]
        left += [str(file) for file in files if file.suffix in (".json", ".html") and not is_whole(file)]
        deadline = time.monotonic() + 60
        while (alive := list(self._processes())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left + alive

    def _is_temporary(self, file: Path) -> bool:
        # torch creates a folder for compiled code, which stays; a killed child leaves mmengine's own folders.
        return file.parent == self.folder / "tmp" and not file.name.startswith(("torchinductor", "tmp"))

    def _processes(self) -> Iterator[str]:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").readlink().is_relative_to(self.folder):
                    yield (process / "cmdline").read_text()


def catches(pid: int, number: signal.Signals) -> bool:
    """Return True if the process handles a signal, or has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return True
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1) or "\nState:\tZ" in status


def is_whole(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    try:
        return text.rstrip().endswith("</html>") if file.suffix == ".html" else bool(json.loads(text))
    except ValueError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("doing", COMMANDS)
def test_nothing_is_left_half_done(doing: str, project: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    cold = doing not in FORKED
    undisturbed = Run(project, tmp_path / "undisturbed", COMMANDS[doing])
    code, err = undisturbed.ends(cold=cold)
    assert code == 0, err
    assert undisturbed.left_behind() == []
    took = undisturbed.ended - undisturbed.listens
    moments = request.config.getoption("--moments")

    def disturb(moment: int) -> str:
        run = Run(project, tmp_path / str(moment), COMMANDS[doing])
        how = list(ENDS)[moment % 2]
        code, err = run.ends(cold=cold, after=took * (moment + 0.5) / moments, how=how)
        reported = "interrupted" in err.splitlines()[-1] if code else True
        good = code in (0, ENDS[how]) and reported and "Traceback" not in err and not run.left_behind()
        return "" if good else f"{moment} of {moments}: {how.name}, {code}, {err:.500}, {run.left_behind()}"

    with ThreadPoolExecutor(2 if cold else 1) as executor:
        assert [bad for bad in executor.map(disturb, range(moments)) if bad] == []
