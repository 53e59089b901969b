"""Numbers in messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lrdecay_cli.text.counting import verb


def rate(value: float) -> str:
    """A learning rate or a scale in three digits: ``0.7``, ``2.4e-06``."""
    return f"{value:.3g}"


def span(values: Iterable[float]) -> str:
    """``0.7``, or ``0.058 to 0.7`` where there are several."""
    several = sorted(values)
    low, high = rate(several[0]), rate(several[-1])
    return low if low == high else f"{low} to {high}"


def ids_told(ids: Sequence[int]) -> str:
    """``layer id 8 lies``, ``layer ids 8 to 11 lie``."""
    return f"layer id{verb(len(ids), '', 's')} {integers(ids)} {verb(len(ids), 'lies', 'lie')}"


def integers(values: Iterable[int]) -> str:
    """``5``, ``6 to 11``, ``5, 7`` for whole numbers in order; three or more in a row as a range."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
