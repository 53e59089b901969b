"""Run the command line as a user does: in its own process, in a pipe or in a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from lrdecay_cli.app.shell.main import run
from tests.commands import preloaded

ROOT = Path(__file__, "../../..").resolve()
SAMPLES = ROOT / "sample_configs"
COMMAND = [sys.executable, "-m", "lrdecay_cli"]
# Variables of the shell that runs the tests must not change the output.
UNSET = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LRDECAY_TRACEBACK")

_LIGHT = (
    *("typer", "rich", "msgspec", "click", "shellingham", "pygments", "markdown_it", "mdurl", "annotated_doc", "tomli"),
    "typing_extensions",
    "packaging",
)


def measured() -> dict[str, str]:
    """Environment of a process whose lines are measured if those of the tests are (``pytest --cov``)."""
    coverage = sys.modules.get("coverage")
    if coverage is None or coverage.Coverage.current() is None:
        return {}
    return {"COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml"), "COVERAGE_FILE": str(ROOT / ".coverage")}


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]
"""Run the command line with arguments and environment variables."""


def lrdecay(
    *arguments: str | Path,
    cwd: Path | None = None,
    stdin: str = "",
    meanwhile: Callable[[int], object] = lambda _: None,
    **environment: str,
) -> Result:
    """Run ``lrdecay`` with its output in pipes, forked from a process that has imported torch and mmdet.

    While the command runs, ``meanwhile`` is called with its process id.
    """
    words = [*map(str, arguments)]
    if any(name.startswith("PYTHON") for name in environment):
        return lrdecay_cold(*words, cwd=cwd, stdin=stdin, **environment)
    given = (words, str(cwd or Path.cwd()), _environment(**environment), stdin)
    return Result(*preloaded.run(*given, meanwhile=meanwhile))


def wait_until(happened: Callable[[], object], pid: int) -> None:
    """Wait for an event of the process ``pid``; raise if the process ends before."""
    while not happened():
        os.kill(pid, 0)
        time.sleep(0.02)


def lrdecay_here(*arguments: str | Path, cwd: Path | None = None) -> Result:
    """Run ``lrdecay`` in this process, so that coverage measures it; for commands that build nothing in it."""
    out, err = StringIO(), StringIO()
    before = Path.cwd()
    os.chdir(cwd or before)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = run([*map(str, arguments)])
    finally:
        os.chdir(before)
    return Result(code, out.getvalue(), err.getvalue())


def lrdecay_cold(*arguments: str | Path, cwd: Path | None = None, stdin: str = "", **environment: str) -> Result:
    """Run ``lrdecay`` with its output in pipes, in a new interpreter: for tests of the start or of imports."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        env=_environment(**environment),
        capture_output=True,
        encoding="utf-8",
        timeout=preloaded.LONGEST,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def lrdecay_in_terminal(*arguments: str | Path, columns: int = 120, **environment: str) -> Result:
    """Run ``lrdecay`` on a pseudo-terminal; ``out`` is everything that appears on it."""
    leader, follower = pty.openpty()
    environment = {"COLUMNS": str(columns), "TERM": "xterm-256color", **environment}
    streams = [follower, os.dup(follower), os.dup(follower)]
    command = preloaded.Command([*map(str, arguments)], str(Path.cwd()), _environment(**environment), streams)
    shown = bytearray()
    while select.select([leader], [], [], preloaded.LONGEST)[0]:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(leader)
    return Result(command.wait(60), shown.decode().replace("\r\n", "\n"), "")


def _environment(**extra: str) -> dict[str, str]:
    root = str(SAMPLES.parent)
    environment = {key: value for key, value in os.environ.items() if key not in UNSET}
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")])), **extra}


def light_site(folder: Path) -> Path:
    """Fill ``folder`` with links to lrdecay's own dependencies only: a search path without torch."""
    import msgspec
    import packaging
    import rich
    import typer

    for packages in {Path(str(package.__file__)).parents[1] for package in (typer, rich, msgspec, packaging)}:
        for entry in packages.iterdir():
            if entry.name.lower().startswith(_LIGHT) and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder
