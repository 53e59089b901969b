"""Work on ten times as much input: the ratio of CPU times in one process. About 10 is linear, 100 quadratic."""

from __future__ import annotations

import contextlib
import gc
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.rich_terminal import render
from lrdecay_cli.text.name_patterns import Universe
from tests.analysis.test_renames import model, of
from tests.formats.test_terminal_table import many
from tests.hardening.test_large_maps import COMMANDS, write_maps

REACH, BEYOND = 20.0, 12.0


@dataclass(frozen=True)
class Growth:
    """Work of two sizes, the larger one ten times the smaller one."""

    name: str
    work: Callable[[int], Callable[[], object]]
    """Prepares work of a size and returns it."""
    size: int
    """The larger size."""

    def times(self, runs: int) -> Iterator[tuple[float, float]]:
        """Yield pairs of CPU seconds, of the larger and the smaller work in turn."""
        large, small = self.work(self.size), self.work(self.size // 10)
        small()
        for _ in range(runs):
            yield _cpu(large), _cpu(small)


def growths(folder: Path) -> list[Growth]:
    """Return every figure; maps that the commands read are written to ``folder``."""

    def command(words: list[str]) -> Callable[[int], Callable[[], object]]:
        return lambda tensors: _command(words, Path(tempfile.mkdtemp(dir=folder)), tensors)

    return [
        Growth("50,000 names folded / 5,000", _folding, 50_000),
        Growth("50,000 rows in a terminal / 5,000", _rendering, 50_000),
        Growth("40,000 renamed / 4,000, diff", _comparing, 40_000),
        *(Growth(f"50,000 / 5,000, {' '.join(words)}", command(words), 50_000) for words in COMMANDS),
    ]


def _cpu(work: Callable[[], object]) -> float:
    # Existing objects are not part of the work, and a garbage collection would scan them.
    gc.collect()
    gc.freeze()
    start = time.process_time()
    work()
    return time.process_time() - start


def _folding(names: int) -> Callable[[], object]:
    universe = [
        f"backbone.stages.{number % 4}.{number // 32}.{('norm', 'conv1', 'conv2', 'gate')[number // 4 % 4]}.{leaf}"
        for number in range(names // 2)
        for leaf in ("weight", "bias")
    ]

    def fold() -> None:
        every = Universe(universe)
        for first in range(0, len(universe), 24):
            every.fold(universe[first : first + 24])
        every.fold(universe[1::2])

    return fold


def _rendering(rows: int) -> Callable[[], object]:
    report = many(rows)
    return lambda: render(report, Canvas(120, True))


def _comparing(tensors: int) -> Callable[[], object]:
    before, after = (
        model(*(name for index in range(tensors // 2) for name in of(f"{side}.{index}.{side}")), "w")
        for side in ("old", "new")
    )
    return lambda: list(diff(before, after))


def _command(words: list[str], folder: Path, tensors: int) -> Callable[[], object]:
    write_maps(folder, tensors)
    absolute = [str(folder / word) if word.endswith(".json") else word for word in words]

    def work() -> None:
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
            if run(absolute) == 2:
                raise RuntimeError(f"exit code 2: {' '.join(absolute)}")

    return work
