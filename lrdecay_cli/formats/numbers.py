"""Numbers for people. Machines get them in full from JSON and CSV."""

from __future__ import annotations

from typing import Any

from lrdecay_cli.domain.report import Branch, Kind
from lrdecay_cli.text.printing import printable as printable

NOTHING = "–"
LEFT_KINDS = ("name", "text", "tree")
"""Columns of these are aligned to the left, others to the right."""
_BAR = 10


def cell_text(value: Any, kind: Kind) -> str:
    """One cell as text. Rates and scales have four significant digits, large integers a separator."""
    if value is None:
        return NOTHING
    if isinstance(value, Branch):
        return f"{value.guide}{printable(value.label)}"
    if isinstance(value, str):
        return printable(value)
    if kind == "integer":
        return f"{value:,}"
    if kind in ("rate", "scale"):
        return f"{value:.4g}"
    if kind == "share":
        return f"{value:.1%}"
    return printable(str(value))


def bar_length(value: Any, full: float, width: int = _BAR) -> float:
    """Length in characters of the bar for a scale, where ``full`` fills ``width``; 0 for what is no number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or full <= 0 or value != value:
        return 0.0
    return max(0.0, min(value / full, 1.0)) * width


def full_scale(values: list[Any]) -> float:
    """The scale that fills a bar: 1, or the largest there is if that is more."""
    numbers = [
        value for value in values if isinstance(value, (int, float)) and abs(value) != float("inf") and value == value
    ]
    return max([1.0, *numbers])
