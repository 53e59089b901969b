"""Conditions on a number as people write them: ``<= 1``, ``> 0, < 1``, ``0.1..1``, ``1e-4``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import NamedTuple

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.precision import alike
from lrdecay_cli.domain.settings import Condition

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_COMPARISON = re.compile(rf"(<=|>=|==|!=|<|>|=|)\s*({_NUMBER})")
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})")
# What each operator says of equal numbers, and of different ones.
_EQUAL = {"<=": True, ">=": True, "==": True, "!=": False, "<": False, ">": False}
_DIFFERENT: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.lt,
    "<": operator.lt,
    ">=": operator.gt,
    ">": operator.gt,
    "==": lambda _, __: False,
    "!=": lambda _, __: True,
}


class Comparison(NamedTuple):
    """An operator and the number on its right."""

    sign: str
    bound: float

    def holds(self, value: float, precision: str | None = None) -> bool:
        """Whether ``value`` stands in this relation to the bound. NaN stands in none but ``!=``.

        A rate is computed, and a settings file rounds it: what is as close to the bound as its ``precision`` can tell
        is equal to it.
        """
        if alike(value, self.bound, precision):
            return _EQUAL[self.sign]
        return _DIFFERENT[self.sign](value, self.bound)


def parse_condition(condition: Condition, where: str) -> tuple[Comparison, ...]:
    """The comparisons that a condition asks for, all of them at once; both ends of a range belong to it.

    Raises:
        LrdecayError: about ``where``, if it is none.
    """
    if not isinstance(condition, str):
        try:
            return (Comparison("==", float(condition)),)
        except OverflowError as error:
            # Its digits may be more than Python writes.
            raise LrdecayError(
                "the number is too large", where=where, fix="give one that a float holds: at most 1.8e308"
            ) from error
    found: list[Comparison] = []
    for part in condition.split(","):
        text = part.strip()
        if match := _RANGE.fullmatch(text):
            found += [Comparison(">=", float(match[1])), Comparison("<=", float(match[2]))]
        elif match := _COMPARISON.fullmatch(text):
            found.append(Comparison("==" if match[1] in ("", "=") else match[1], float(match[2])))
        else:
            raise LrdecayError(
                f"{condition!r} is no condition", where=where, fix='for example "<= 1", "> 0, < 1" or "0.1..1"'
            )
    return tuple(found)


def condition_text(condition: Condition) -> str:
    """The condition as a message tells it."""
    return condition.strip() if isinstance(condition, str) else f"== {condition:g}"
