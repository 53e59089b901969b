"""Numbers that record their own computation.

lrdecay runs a constructor with recorded numbers in place of the number of GPUs and the options of the optimizer. The
results then contain the formula that the constructor used. For other code, recorded numbers are ordinary floats and
ints. The results of ``int()``, ``math`` and tensors are plain numbers without a formula. A result
therefore has either its complete formula or none.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lrdecay_cli.domain.provenance import Formula

_SUM, _PRODUCT, _ATOM = 1, 2, 3


class Recorded(msgspec.Struct, frozen=True):
    """The computation of a number, as text."""

    expression: str
    """The computation with symbols: ``base_weight_decay * gpus``."""
    formula: str
    """The computation with values: ``0.0005 * 8``."""
    inputs: Mapping[str, int | float]
    """The value of each symbol."""
    rank: int = _ATOM


class _Number:
    """Base class with the methods of recorded numbers. Each subclass also inherits from float or int."""

    recorded: Recorded

    def __deepcopy__(self, _: Any) -> Any:
        return self

    def __copy__(self) -> Any:
        return self

    def __reduce__(self) -> Any:
        return (_plain_type(self), (_plain(self),))

    def __round__(self, *digits: Any) -> Any:
        more = "".join(f", {digit!r}" for digit in digits)
        own = self.recorded
        how = Recorded(f"round({own.expression}{more})", f"round({own.formula}{more})", own.inputs)
        return _kept(round(_plain(self), *digits), how)

    def __neg__(self) -> Any:
        return _combined(operator.mul, "*", _PRODUCT, -1, self)


class RecordedFloat(_Number, float):
    """A float that records its computation."""


class RecordedInt(_Number, int):
    """An int that records its computation."""


def named(name: str, value: int | float) -> Any:
    """Return ``value`` as a recorded number with the symbol ``name``.

    Return ``value`` unchanged if it is not finite, or if ``name`` is not a Python identifier.
    """
    if not math.isfinite(value) or not name.isidentifier():
        return value
    return _kept(value, Recorded(name, _text(value), {name: value}))


def _text(value: int | float) -> str:
    return repr(value) if value >= 0 else f"({value!r})"


def formula_of(number: Any) -> Formula | None:
    """Return the formula of a recorded number; None for a plain number."""
    if not isinstance(number, _Number):
        return None
    how = number.recorded
    formula = Formula(how.expression, how.formula, _plain(number), dict(how.inputs), "computed", "", how.expression)
    if how.rank == _ATOM and how.expression in how.inputs:
        formula = msgspec.structs.replace(formula, basis="given")
    return formula


def _plain_type(number: Any) -> type:
    return float if isinstance(number, float) else int


def _plain(number: Any) -> Any:
    kind = _plain_type(number)
    return float.__float__(number) if kind is float else int.__int__(number)


def _kept(value: Any, how: Recorded) -> Any:
    kind = RecordedInt if type(value) is int else RecordedFloat if type(value) is float else None
    if kind is None:
        return value
    number = kind(value)
    number.recorded = how
    return number


def _how(operand: Any) -> Recorded | None:
    if isinstance(operand, _Number):
        return operand.recorded
    if type(operand) in (int, float):
        return Recorded(_text(operand), _text(operand), {})
    return None


def _combined(function: Callable[[Any, Any], Any], sign: str, rank: int, left: Any, right: Any) -> Any:
    before, behind = _how(left), _how(right)
    if before is None or behind is None:
        return NotImplemented
    value = function(*(_plain(each) if isinstance(each, _Number) else each for each in (left, right)))

    def joined(field: str) -> str:
        texts = []
        for each, tight in ((before, before.rank < rank or sign == "**"), (behind, behind.rank <= rank)):
            text = getattr(each, field)
            texts.append(f"({text})" if tight and each.rank != _ATOM else text)
        return f" {sign} ".join(texts)

    inputs = {**before.inputs, **behind.inputs}
    return _kept(value, Recorded(joined("expression"), joined("formula"), inputs, rank))


def _install(name: str, function: Callable[[Any, Any], Any], sign: str, rank: int) -> None:
    """Define an operator for recorded numbers. Its result is a recorded number."""

    def forward(self: Any, other: Any) -> Any:
        return _combined(function, sign, rank, self, other)

    def backward(self: Any, other: Any) -> Any:
        return _combined(function, sign, rank, other, self)

    setattr(_Number, f"__{name}__", forward)
    setattr(_Number, f"__r{name}__", backward)


_install("add", operator.add, "+", _SUM)
_install("sub", operator.sub, "-", _SUM)
_install("mul", operator.mul, "*", _PRODUCT)
_install("truediv", operator.truediv, "/", _PRODUCT)
_install("floordiv", operator.floordiv, "//", _PRODUCT)
_install("mod", operator.mod, "%", _PRODUCT)
_install("pow", operator.pow, "**", _PRODUCT)
