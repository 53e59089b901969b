"""Values of a config, which may be of any type whatever a setting wants."""

from __future__ import annotations

import math
from typing import Any


def number(value: Any) -> float | None:
    """The value if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value
