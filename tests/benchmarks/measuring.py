"""Measure time and memory of whole processes, with the numbers of the operating system."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__, "../../..").resolve()
# The unit of ru_maxrss.
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    """Measurements of a command and its finished child processes."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all cores, user and system. More stable than ``wall`` on a busy machine."""
    peak: float
    """Peak memory in MiB, of the largest single process."""


def run(command: Sequence[str], code: int, **environment: str) -> Run:
    """Run ``command`` at the root of the repository. Raises RuntimeError unless it exits with ``code``."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise RuntimeError(f"exit code {process.returncode}, not {code}: {' '.join(command)}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _PEAK_UNIT / 2**20)
