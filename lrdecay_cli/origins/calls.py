"""Evaluate calls in a config: functions without side effects, and methods that change dicts and lists."""

from __future__ import annotations

import ast
import itertools
import math
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lrdecay_cli.origins.methods import arguments, method_of, plain_arguments, put_entries, shallow_copy
from lrdecay_cli.origins.nodes import Node, Slot, Unknowable, as_plain, deep_copy, unknown
from lrdecay_cli.origins.operations import Value, computed, iterated
from lrdecay_cli.origins.sources import Span

if TYPE_CHECKING:
    from lrdecay_cli.origins.evaluating import Evaluator

_MOST = 10_000


def call(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
    """Return the value of a call.

    If lrdecay cannot evaluate the call without running the config, the result is unknown. The arguments of the call
    also become unknown, because the call may change them.
    """
    if isinstance(expression.func, ast.Attribute):
        holder = evaluator.value(expression.func.value)
        name = expression.func.attr
        if holder.node.kind != "object":
            if method := method_of(holder.node, name):
                try:
                    return Value(method(evaluator, holder.node, expression, span), holder.via)
                except Unknowable as error:
                    holder.node.forget(str(error))
                    raise
            if holder.node.kind == "scalar" and isinstance(holder.node.data, str) and name in _OF_STRINGS:
                given, named = plain_arguments(evaluator, expression)
                _check_string(name, given, named, holder.node.data)
                return computed(getattr(holder.node.data, name)(*given, **named), span, holder.via)
            held = holder.node.data.get(name) if holder.node.kind == "config" else None
            function = held.node if held else unknown(f"lrdecay cannot evaluate .{name}()", span)
        else:
            function = evaluator.value(expression.func).node
    else:
        holder, function = Value(unknown("", span)), evaluator.value(expression.func).node
    if function.kind == "object":
        if special := _SPECIAL.get(function.data):
            return special(evaluator, expression, span)
        if pure := _PURE.get(function.data):
            given, named = plain_arguments(evaluator, expression)
            return computed(pure(*given, **named), span, evaluator.used(expression))
    reason = f"lrdecay cannot evaluate {ast.unparse(expression.func)[:60]}()"
    holder.node.forget(reason)
    evaluator.forget_used(expression, reason)
    if function.kind == "function":
        evaluator.forget_used(function.data, reason)
    return Value(unknown(reason, span))


def _dict(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
    node = Node("dict", {}, span)
    put_entries(evaluator, expression, node, "assignment")
    return Value(node)


_OF_STRINGS = frozenset(
    ("format", "join", "split", "rsplit", "strip", "lstrip", "rstrip", "replace", "lower", "upper", "startswith")
) | {"endswith", "removeprefix", "removesuffix", "title", "capitalize", "count", "find", "partition", "rpartition"}


def _check_string(name: str, given: list[Any], named: dict[str, Any], text: str) -> None:
    """Raise Unknowable if lrdecay cannot evaluate a string method, or if its result could be very long."""
    if name == "format" and re.search(r"\{[^{}]*[^\w{}]", text):
        raise Unknowable("lrdecay can evaluate format() only with fields such as {name} or {0}")
    if name == "replace" and len(text) * max(len(str(each)) for each in (*given, "")) > _MOST * 10:
        raise Unknowable("the result of the call is too large")


def _deepcopy(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
    (value,) = arguments(evaluator, expression)
    return Value(deep_copy(value.node), value.via)


def _copied(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
    (value,) = arguments(evaluator, expression)
    return Value(shallow_copy(value.node), value.via)


def _sequence(
    kind: Any, change: Callable[[list[Slot]], list[Slot]] = list
) -> Callable[[Evaluator, ast.Call, Span], Value]:
    def made(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
        if expression.keywords:
            raise Unknowable("lrdecay cannot evaluate this call with keyword arguments")
        given = arguments(evaluator, expression)
        slots = change(iterated(given[0].node)) if given else []
        return Value(Node(kind, [slot._replace(via=(*given[0].via, *slot.via)) for slot in slots], span))

    return made


def _zip(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
    if expression.keywords:
        raise Unknowable("lrdecay cannot evaluate this call with keyword arguments")
    several = [iterated(each.node) for each in arguments(evaluator, expression)]
    return Value(Node("list", [Slot(Node("tuple", list(each))) for each in zip(*several, strict=False)], span))


def _enumerate(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
    value, *start = arguments(evaluator, expression)
    if expression.keywords:
        raise Unknowable("lrdecay cannot evaluate this call with keyword arguments")
    numbers = itertools.count(as_plain(start[0].node) if start else 0)
    pairs = [[Slot(Node("scalar", number)), slot] for number, slot in zip(numbers, iterated(value.node), strict=False)]
    return Value(Node("list", [Slot(Node("tuple", pair)) for pair in pairs], span))


def _range(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
    given, _ = plain_arguments(evaluator, expression)
    numbers = range(*given)
    if len(numbers) > _MOST:
        raise Unknowable("the result of the call is too large")
    return Value(Node("list", [Slot(Node("scalar", number)) for number in numbers], span))


def _print(evaluator: Evaluator, expression: ast.Call, span: Span) -> Value:
    return Value(Node("scalar", None, span))


_SPECIAL: Mapping[str, Callable[[Evaluator, ast.Call, Span], Value]] = {
    "builtins.dict": _dict,
    "builtins.list": _sequence("list"),
    "builtins.tuple": _sequence("tuple"),
    "builtins.reversed": _sequence("list", lambda slots: slots[::-1]),
    "builtins.sorted": _sequence("list", lambda slots: sorted(slots, key=lambda slot: as_plain(slot.node))),
    "builtins.zip": _zip,
    "builtins.enumerate": _enumerate,
    "builtins.range": _range,
    "builtins.print": _print,
    "copy.deepcopy": _deepcopy,
    "copy.copy": _copied,
}
_PURE: Mapping[str, Callable[..., Any]] = {
    "builtins.len": len,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.bool": bool,
    "builtins.str": str,
    "builtins.round": round,
    "builtins.abs": abs,
    "builtins.min": min,
    "builtins.max": max,
    "builtins.sum": sum,
    "builtins.any": any,
    "builtins.all": all,
    "builtins.divmod": divmod,
    "builtins.set": set,
    **{f"math.{name}": getattr(math, name) for name in ("ceil", "floor", "sqrt", "log", "log2", "log10", "exp", "cos")},
    **{f"math.{name}": getattr(math, name) for name in ("sin", "tan", "pow", "prod", "gcd", "fabs", "trunc")},
    **{f"os.path.{name}": getattr(posixpath, name) for name in ("join", "basename", "dirname", "splitext", "normpath")},
}
