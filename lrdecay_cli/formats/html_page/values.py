"""Values in the words and colours of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from lrdecay_cli.formats.numbers import NOTHING, printable

STEPS = 9
"""Colours of the ramp from the lowest lr scale to 1."""
OVER = "over"


def full(value: Any) -> str:
    """A value as it is, every digit of it, with control characters inert."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(str(key))}={full(item)}" for key, item in value.items()) or NOTHING
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(full, value))}]"
    return printable(value) if isinstance(value, str) else repr(value)


def shape(value: Iterable[int]) -> str:
    """``96×3×4×4``."""
    return "×".join(map(str, value)) or "scalar"


def lowest_scale(values: Iterable[Any]) -> float:
    """The lr scale that the ramp begins at: the lowest above 0, if that is below 1."""
    return min([1.0, *(value for value in values if is_number(value) and value > 0)])


def ramp(value: Any, lowest: float) -> str:
    """The colour class of an lr scale: ``r0`` for the lowest to ``r8`` for 1 by its logarithm, ``over`` above 1."""
    if not is_number(value) or value <= 0:
        return "r0"
    if value > 1:
        return OVER
    if lowest >= 1:
        return f"r{STEPS - 1}"
    return f"r{max(0, round((1 - math.log(value) / math.log(lowest)) * (STEPS - 1)))}"


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
