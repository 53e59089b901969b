"""Measure the time from saving a config to the new report of ``--watch``, and compare it with a plain script."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measuring import ROOT, run

_LONGEST = 300.0
_ANSWERED = b"Ctrl-C ends"


@dataclass(frozen=True)
class Saving:
    """A config that is saved again and again while a command watches it."""

    name: str
    command: str
    shown: bytes
    """Text at the end of a report."""
    text: str
    """The config file."""
    folder: Path
    reach: float = 0.03
    beyond: float = 0.015

    def pairs(self, runs: int) -> Iterator[tuple[float, float]]:
        """Yield seconds from the save to the new report, and seconds of a plain script for the same content."""
        self.folder.mkdir()
        config = self.folder / "config.py"
        config.write_text(self.text, "utf-8")
        with _Watch(self.command, config) as watch:
            watch.until(self.shown)
            # After the first reports, the packages are imported and the bases are read ahead.
            for number in range(3):
                self._save(watch, config, 100 + number)
                watch.until(_ANSWERED)
            time.sleep(2)
            for number in range(runs):
                yield self._save(watch, config, number), _plain(config)

    def _save(self, watch: _Watch, config: Path, number: int) -> float:
        watch.forget()
        new = config.with_suffix(".new")
        lr = 1e-4 * (1 + number / 100)
        new.write_text(f"{self.text}\noptim_wrapper = dict(optimizer=dict(lr={lr!r}))\n", "utf-8")
        start = time.perf_counter()
        new.replace(config)
        watch.until(self.shown)
        wall = time.perf_counter() - start
        watch.until(_ANSWERED)
        return wall


class _Watch:
    def __init__(self, command: str, config: Path) -> None:
        words = [sys.executable, "-m", "lrdecay_cli", command, config.name, "--watch", "--format", "text"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LRDECAY_NO_CACHE": "1"}
        self._process = subprocess.Popen(
            words, cwd=config.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdout
        self._reader = self._process.stdout.fileno()
        self._shown = b""

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=_LONGEST)

    def forget(self) -> None:
        self._shown = b""

    def until(self, text: bytes) -> None:
        while text not in self._shown:
            if not select.select([self._reader], [], [], _LONGEST)[0]:
                raise RuntimeError(f"{text!r} was never shown: {self._shown[-500:]!r}")
            self._shown += os.read(self._reader, 1 << 16)


def _plain(config: Path) -> float:
    return run((sys.executable, str(ROOT / "tests/benchmarks/plain_script.py"), str(config)), 0).wall


def savings(folder: Path, base: str) -> list[Saving]:
    """Return every figure; ``base`` is a config of a zoo."""
    text = f"_base_ = {base!r}\n"
    return [
        Saving(
            "inspect --watch, time from save to report / plain script",
            "inspect",
            b" duplicates",
            text,
            folder / "inspect",
        ),
        Saving(
            "check --watch, time from save to report / plain script", "check", b"in 1 config", text, folder / "check"
        ),
    ]
