"""Show values as text in table cells, and as bars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from lrdecay_cli.domain.report import Branch, Kind
from lrdecay_cli.text.counting import factor_text
from lrdecay_cli.text.printing import printable as printable

NOTHING = "–"
LEFT_KINDS = ("name", "text", "tree")
"""Columns of these kinds are left-aligned, all others right-aligned."""


def is_number(value: Any) -> TypeGuard[float]:
    """True for a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def cell_text(value: Any, kind: Kind) -> str:
    """Return a table cell as text. Rates and scales have four significant digits, integers have separators (1,000)."""
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
    if kind == "factor":
        return factor_text(value)
    return printable(str(value))


def bar_length(value: Any, full: float, width: int) -> float:
    """Return the length of a bar in characters: ``width`` if ``value`` equals ``full``; 0 if ``value`` is no number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or full <= 0 or value != value:
        return 0.0
    return max(0.0, min(value / full, 1.0)) * width


def full(value: Any) -> str:
    """Return a value as text with all digits, and with control characters escaped."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(str(key))}={full(item)}" for key, item in value.items()) or NOTHING
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(full, value))}]"
    return printable(value) if isinstance(value, str) else repr(value)
