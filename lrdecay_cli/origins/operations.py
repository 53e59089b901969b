"""Evaluate the operators in a config, such as ``a + b``.

In the sum of two lists, each entry still has the line and column at which it was written.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from lrdecay_cli.origins.nodes import MAPPINGS, SEQUENCES, Handing, Kind, Node, Slot, Unknowable, as_plain, put
from lrdecay_cli.origins.sources import Span

_LARGEST = 100_000
"""Maximum size of a result: length of a string or list, or number of bits of an integer."""


class Value(NamedTuple):
    """The value of an evaluated expression.

    ``via`` contains the variables, imports and templates through which the expression got the value: ``base_lr`` for
    ``lr=base_lr``.
    """

    node: Node
    via: tuple[Handing, ...] = ()


def computed(value: Any, span: Span, via: tuple[Handing, ...] = (), *, constant: bool = False) -> Value:
    """Return the result of an operation as a value.

    If the result is a dict or list, each entry gets the file, lines and columns of the whole expression.

    Raises:
        Unknowable: the result is too large.
    """
    if isinstance(value, dict):
        entries = {key: Slot(computed(item, span).node) for key, item in value.items()}
        return Value(Node("dict", entries, span), via)
    if (isinstance(value, int) and value.bit_length() > _LARGEST) or (
        isinstance(value, (str, bytes, set, list, tuple)) and len(value) > _LARGEST
    ):
        raise Unknowable("the result is too large")
    if isinstance(value, (list, tuple)):
        kind: Kind = "list" if isinstance(value, list) else "tuple"
        return Value(Node(kind, [Slot(computed(item, span).node) for item in value], span), via)
    return Value(Node("scalar", value, span, constant=constant), via)


def unpack(node: Node, value: Value) -> None:
    """Write the entries of ``value`` into the dict ``node``, as ``**value`` does in a config.

    Raises:
        Unknowable: ``value`` is unknown, or is not a dict.
    """
    if value.node.kind not in MAPPINGS:
        raise Unknowable(value.node.data if value.node.kind == "unknown" else "** unpacks a value that is not a dict")
    for key, slot in value.node.data.items():
        put(node, key, slot._replace(via=(*value.via, *slot.via)))


def binary(operation: ast.operator, left: Value, right: Value, span: Span) -> Value:
    """Return the result of a binary operator such as ``left + right``.

    In the sum of two lists, each entry still has the line and column at which it was written.
    """
    via = (*left.via, *right.via)
    kinds = {left.node.kind, right.node.kind}
    if isinstance(operation, ast.Add) and kinds in ({"list"}, {"tuple"}):
        return Value(Node(left.node.kind, [*_through(left), *_through(right)], span))
    if isinstance(operation, ast.Mult) and kinds in ({"list", "scalar"}, {"tuple", "scalar"}):
        many, times = (left, right) if left.node.kind in SEQUENCES else (right, left)
        if len(many.node.data) * times.node.data > _LARGEST:
            raise Unknowable("the result is too large")
        return Value(Node(many.node.kind, _through(many) * times.node.data, span), times.via)
    if isinstance(operation, ast.BitOr) and kinds == {"dict"}:
        node = Node("dict", {}, span)
        unpack(node, left)
        unpack(node, right)
        return Value(node)
    if kinds & {"dict", "config"}:
        raise Unknowable("lrdecay cannot evaluate this operator on a dict")
    values = as_plain(left.node), as_plain(right.node)
    return computed(_within_bounds(type(operation), *values), span, via)


def unary(operation: ast.unaryop, operand: Value, span: Span, *, literal: bool) -> Value:
    """Return the result of a unary operator such as ``-x``.

    The result for a number such as ``-1`` still counts as a literal (``constant``).
    """
    constant = literal and operand.node.constant and not isinstance(operation, ast.Not)
    return computed(_UNARY[type(operation)](as_plain(operand.node)), span, operand.via, constant=constant)


def holds(operation: ast.cmpop, left: Any, right: Any) -> bool:
    """Return the result of a comparison such as ``left < right``."""
    return bool(_COMPARISONS[type(operation)](left, right))


def iterated(node: Node) -> list[Slot]:
    """Return the elements over which a loop iterates.

    Raises:
        Unknowable: the value is unknown, or is not a list, tuple, dict or string.
    """
    if node.kind in SEQUENCES:
        return list(node.data)
    if node.kind in MAPPINGS:
        return [Slot(Node("scalar", key)) for key in node.data]
    if node.kind == "scalar" and isinstance(node.data, str):
        return [Slot(Node("scalar", character)) for character in node.data]
    raise Unknowable(
        node.data if node.kind == "unknown" else "the value to iterate over is not a list, tuple, dict or string"
    )


def _through(value: Value) -> list[Slot]:
    return [slot._replace(via=(*value.via, *slot.via)) for slot in value.node.data]


def _within_bounds(operation: type[ast.operator], left: Any, right: Any) -> Any:
    """Return the result of an operator.

    Raises:
        Unknowable: the result could be too large.
    """
    size = 0
    if operation in (ast.Pow, ast.LShift) and isinstance(left, int) and isinstance(right, int):
        size = left.bit_length() * right if operation is ast.Pow else right
    elif operation is ast.Mult:
        for many, times in ((left, right), (right, left)):
            if isinstance(times, int):
                size = max(
                    size, many.bit_length() if isinstance(many, int) else len(many) * times if _sized(many) else 0
                )
    elif operation is ast.Mod and _sized(left):
        # ``'%999999d'``: widths and precisions.
        size = _LARGEST + 1 if re.search(rb"%[^a-z%]*[\d*.]", left if isinstance(left, bytes) else left.encode()) else 0
    if size > _LARGEST:
        raise Unknowable("the result is too large")
    return _BINARY[operation](left, right)


def _sized(value: Any) -> bool:
    return isinstance(value, (str, bytes))


_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
