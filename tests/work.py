"""Count the work of a function instead of its time: a busy machine does not change the count."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

MEASURED = 100
"""Number of repetitions after which coverage has seen every line."""


def lines_run(work: Callable[[], object]) -> int:
    """Return the number of Python lines that ``work`` runs; each pass of a loop or comprehension counts."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@contextmanager
def unmeasured(*, after: int) -> Iterator[None]:
    """Run repetitions of the same lines without coverage, which would take as long as the lines do.

    Args:
        after: number of repetitions so far; the first ones are measured.
    """
    if after < MEASURED:
        yield
        return
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


def growth(work: Callable[[int], Callable[[], object]], size: int) -> float:
    """Return the factor by which the work grows when its size grows tenfold: about 10 if linear, 100 if quadratic.

    Args:
        work: prepares work of a size, uncounted, and returns it.
        size: the smaller of the two sizes.
    """
    # The first call may import modules.
    work(size)()
    return lines_run(work(10 * size)) / lines_run(work(size))
