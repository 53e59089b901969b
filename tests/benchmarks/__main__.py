"""``python -m tests.benchmarks``: a table of ratios A / B, medians of interleaved runs A B A B …

Only ratios are meaningful, because the machine may be slow or busy. A and B are commands, or A is the same work as B on
ten times as much input (CPU time).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import CONVNEXT, Figure, figures
from tests.benchmarks.growth import BEYOND, REACH, Growth, growths
from tests.benchmarks.measuring import Run, run
from tests.benchmarks.page import write_page
from tests.benchmarks.watching import Saving, savings

_HEAD = ("figure", "ratio", "min", "max", "CPU", "A", "B", "reach", "beyond", "")


def main() -> None:
    """Measure the figures that match, and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("match", nargs="?", default="", help="only figures whose name contains this")
    parser.add_argument("-n", type=int, default=9, help="runs of each command")
    parser.add_argument("--write", action="store_true", help="put the rows into docs/performance.md")
    arguments = parser.parse_args()
    rows = []
    _print(*_HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for figure in figures(Path(folder)):
            if arguments.match in figure.name:
                rows.append(_row(figure, min(arguments.n, figure.at_most)))
                _print(*rows[-1])
        for saving in savings(Path(folder), CONVNEXT):
            if arguments.match in saving.name:
                rows.append(_saving_row(saving, arguments.n))
                _print(*rows[-1])
        for growth in growths(Path(folder)):
            if arguments.match in growth.name:
                rows.append(_growth_row(growth, min(arguments.n, 3)))
                _print(*rows[-1])
    if arguments.write:
        write_page(_HEAD, rows)


def _row(figure: Figure, runs: int) -> tuple[str, ...]:
    def pair() -> tuple[Run, Run]:
        return run(figure.a, figure.codes[0], **figure.environment), run(figure.b, figure.codes[1])

    # The first run writes compiled modules, and fills the system's file cache.
    if figure.at_most > 1:
        pair()
    pairs = [pair() for _ in range(runs)]
    ratios = [getattr(a, figure.measure) / getattr(b, figure.measure) / figure.times for a, b in pairs]
    cpu = median(a.cpu / b.cpu / figure.times for a, b in pairs)
    a, b = (median(getattr(side, figure.measure) for side in sides) for sides in zip(*pairs, strict=True))
    unit = "MiB" if figure.measure == "peak" else "s"
    digits = 0 if figure.measure == "peak" else 3
    return (
        figure.name,
        *(f"{ratio:.4f}" for ratio in (median(ratios), min(ratios), max(ratios), cpu)),
        *(f"{value:.{digits}f} {unit}" for value in (a, b)),
        *("" if goal is None else f"{goal:.3g}" for goal in (figure.reach, figure.beyond)),
        _verdict(median(ratios), figure.reach, figure.beyond),
    )


def _saving_row(saving: Saving, runs: int) -> tuple[str, ...]:
    pairs = list(saving.pairs(runs))
    ratios = [a / b for a, b in pairs]
    a, b = (median(side) for side in zip(*pairs, strict=True))
    return (
        saving.name,
        *(f"{value:.4f}" for value in (median(ratios), min(ratios), max(ratios))),
        "",
        *(f"{value:.3f} s" for value in (a, b)),
        *(f"{goal:.3g}" for goal in (saving.reach, saving.beyond)),
        _verdict(median(ratios), saving.reach, saving.beyond),
    )


def _growth_row(growth: Growth, runs: int) -> tuple[str, ...]:
    pairs = list(growth.times(runs))
    ratios = [large / small for large, small in pairs]
    ratio = median(ratios)
    large, small = (median(side) for side in zip(*pairs, strict=True))
    return (
        growth.name,
        *(f"{value:.4f}" for value in (ratio, min(ratios), max(ratios), ratio)),
        *(f"{value:.3f} s" for value in (large, small)),
        *(f"{goal:.3g}" for goal in (REACH, BEYOND)),
        _verdict(ratio, REACH, BEYOND),
    )


def _verdict(ratio: float, reach: float | None, beyond: float | None) -> str:
    if reach is None or beyond is None:
        return ""
    return "beyond" if ratio <= beyond else "reached" if ratio <= reach else "MISSED"


def _print(name: str, *cells: str) -> None:
    print(f"{name:<52}", *(f"{cell:>10}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
