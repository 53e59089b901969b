"""Numbers that a formula can be written with."""

from __future__ import annotations

import math

from lrdecay_cli.decay.errors import DecayError


def finite_number(value: object, where: str) -> int | float:
    """The value as a plain int or float, unchanged in worth.

    Args:
        value: what the config holds.
        where: the config key, for the error.

    Raises:
        DecayError: it is no number, or not finite. A bool is no number here, whatever Python says.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DecayError(f"{value!r} is not a number", where=where, remedy="give a finite number such as 0.7")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        finite = False
    if not finite:
        raise DecayError("the number is not finite", where=where, remedy="give a finite number such as 0.7")
    # A subclass such as numpy.float64 has a repr that is no Python literal.
    return int(value) if isinstance(value, int) else float(value)


def number_or_none(value: object) -> int | float | None:
    """The value if it is a finite number, else None: options of a config may be of any type."""
    try:
        return finite_number(value, "")
    except DecayError:
        return None
