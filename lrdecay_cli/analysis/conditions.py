"""Parse and test conditions on a number, such as ``<= 1``, ``> 0, < 1``, ``0.1..1`` or ``1e-4``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.precision import alike
from lrdecay_cli.domain.settings import Condition

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_COMPARISON = re.compile(rf"(<=|>=|==|!=|<|>|=|)\s*({_NUMBER})")
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})")
# The result of each operator for equal and for different numbers.
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
    """A comparison with a number: the operator, and the number to its right."""

    sign: str
    bound: float

    def holds(self, value: float, precision: str | None = None) -> bool:
        """True if ``value`` fulfils the comparison. NaN fulfils only ``!=``.

        A value that differs from the bound only by rounding at ``precision`` counts as equal, because lrs are computed
        and settings files contain rounded numbers.
        """
        if alike(value, self.bound, precision):
            return _EQUAL[self.sign]
        return _DIFFERENT[self.sign](value, self.bound)


def parse_condition(condition: Condition, where: str) -> tuple[Comparison, ...]:
    """Return the comparisons of a condition, which must all be true. A range such as ``0.1..1`` includes both ends.

    Raises:
        LrdecayError: ``condition`` is invalid. The error starts with ``where``.
    """
    if not isinstance(condition, str):
        try:
            return _possible([Comparison("==", float(condition))], condition, where)
        except OverflowError as error:
            # It may have more digits than Python allows.
            raise LrdecayError("the number is too large", where=where, fix=_FINITE) from error
    found: list[Comparison] = []
    for part in condition.split(","):
        text = part.strip()
        if match := _RANGE.fullmatch(text):
            found += [Comparison(">=", float(match[1])), Comparison("<=", float(match[2]))]
        elif match := _COMPARISON.fullmatch(text):
            found.append(Comparison("==" if match[1] in ("", "=") else match[1], float(match[2])))
        else:
            raise LrdecayError(
                f"invalid condition {condition!r}",
                where=where,
                fix='give a condition such as "<= 1", "> 0, < 1" or "0.1..1"',
            )
    return _possible(found, condition, where)


def _possible(found: Sequence[Comparison], condition: Condition, where: str) -> tuple[Comparison, ...]:
    """Return the comparisons of a condition.

    Raises:
        LrdecayError: a bound is NaN or infinite, or no number fulfils all comparisons.
    """
    if not all(math.isfinite(comparison.bound) for comparison in found):
        raise LrdecayError(f"{condition!r} contains a number that is not finite", where=where, fix=_FINITE)
    low = max((each.bound for each in found if each.sign in (">", ">=", "==")), default=-math.inf)
    high = min((each.bound for each in found if each.sign in ("<", "<=", "==")), default=math.inf)
    if low > high or (low == high and not all(each.holds(low) for each in found)):
        fix = 'give the lower bound first, such as "0.1..1" or "> 0, < 1"'
        raise LrdecayError(f"no number fulfils {condition!r}", where=where, fix=fix)
    return tuple(found)


_FINITE = "give a number that a float can represent: at most 1.8e308"


def condition_text(condition: Condition) -> str:
    """Return the text of a condition for a message, for example ``== 0.5`` for the number 0.5."""
    return condition.strip() if isinstance(condition, str) else f"== {condition:g}"
