"""Compare and round the lrs and other numbers of groups.

Some optimizers store these numbers as float32, float16 or bfloat16, not as Python floats.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

EPSILON: Mapping[str, float] = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""The distance from 1 to the next larger number, by name of the precision. Source: ``torch.finfo``."""
CLOSE = 1e-9
"""Python floats within this relative distance differ only by rounding."""


def tolerance(precision: str | None) -> float:
    """Return the largest relative rounding error of a number in this precision."""
    return EPSILON[precision] if precision else CLOSE


def alike(first: float, other: float, *precisions: str | None) -> bool:
    """True if two numbers differ only by the rounding error of the lowest precision in ``precisions``."""
    coarsest = max(precisions, key=tolerance)
    # Below the smallest normal number one step is larger than the tolerance.
    return math.isclose(first, other, rel_tol=tolerance(coarsest)) or rounded(first, coarsest) == rounded(
        other, coarsest
    )


def rounded(value: float, precision: str | None) -> float:
    """Return ``value`` rounded to ``precision``, such as ``float16``. If ``precision`` is None, do not round.

    The value is first rounded to float32 and then to ``precision``, as in ``torch.tensor(value, dtype=...)``. A value
    in the middle between two numbers is rounded to the even number.
    """
    if precision is None or not math.isfinite(value):
        return value
    try:
        bits: int = struct.unpack("<I", struct.pack("<f", value))[0]
        if precision == "float16":
            (single,) = struct.unpack("<f", struct.pack("<I", bits))
            half: float = struct.unpack("<e", struct.pack("<e", single))[0]
            return half
    except OverflowError:
        return math.copysign(math.inf, value)
    if precision == "bfloat16":
        # The upper half of a float32.
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    result: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return result
