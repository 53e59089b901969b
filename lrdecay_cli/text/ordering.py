"""The order in which people expect names: numbers by value, weight before bias."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"(\d+)")


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key to sort by that puts ``group_2`` before ``group_10``."""
    # re.split gives text and numbers in turn, so that like is compared with like.
    parts = _NUMBERS.split(name)
    return [(1, int(part), part) if index % 2 else (0, 0, part) for index, part in enumerate(parts)]
