"""Evaluate the expressions of a config without running the config."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from lrdecay_cli.origins.calls import call
from lrdecay_cli.origins.nodes import (
    MAPPINGS,
    SEQUENCES,
    Handing,
    Kind,
    Node,
    Raising,
    Slot,
    Unknowable,
    as_plain,
    put,
    unknown,
)
from lrdecay_cli.origins.operations import Value, binary, computed, holds, iterated, unary, unpack
from lrdecay_cli.origins.sources import Source, Span

_MOST_STEPS = 200_000
_DEEPEST = 150


class Evaluator:
    """Evaluate the expressions of one config file.

    Args:
        source: the file.
        names: values of the variables in the file. Statements change this dict.

    Attributes:
        raised: the range in the file, and the exception, of each expression that raises when the config is run.
    """

    def __init__(self, source: Source, names: dict[str, Slot]) -> None:
        self.source = source
        self.names = names
        self.raised: list[tuple[Span, str]] = []
        self.locals: list[dict[str, Slot]] = []
        self._steps = self._depth = 0

    def value(self, expression: ast.expr) -> Value:
        """Return the value of an expression. The value is unknown if only running the config can give it."""
        self._steps += 1
        if self._steps > _MOST_STEPS or self._depth > _DEEPEST:
            return Value(unknown("the expression takes too long to evaluate", self.source.span(expression)))
        self._depth += 1
        try:
            return self._value(expression)
        except Unknowable as reason:
            span = self.source.span(expression)
            if isinstance(reason, Raising):
                self.raised.append((span, str(reason)))
            return Value(
                unknown(f"the expression raises {reason}" if isinstance(reason, Raising) else str(reason), span)
            )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            return Value(unknown(f"the expression raises {type(error).__name__}", self.source.span(expression)))
        finally:
            self._depth -= 1

    def _value(self, expression: ast.expr) -> Value:
        span = self.source.span(expression)
        match expression:
            case ast.Constant(value=literal):
                return self._constant(literal, span)
            case ast.Name(id=name):
                return self._name(name, span)
            case ast.Dict():
                return self._dict(expression, span)
            case ast.List() | ast.Tuple():
                kind: Kind = "list" if isinstance(expression, ast.List) else "tuple"
                return Value(Node(kind, list(self.items(expression.elts)), span))
            case ast.Set():
                items = [as_plain(slot.node) for slot in self.items(expression.elts)]
                return computed(set(items), span, self._via(*expression.elts))
            case ast.Call():
                return call(self, expression, span)
            case ast.Attribute(value=holder, attr=attribute):
                return self._attribute(self.value(holder), attribute, span)
            case ast.Subscript(value=holder, slice=index):
                return self._subscript(self.value(holder), index, span)
            case ast.BinOp(left=left, op=operation, right=right):
                return binary(operation, self.value(left), self.value(right), span)
            case ast.UnaryOp(op=operation, operand=operand):
                return unary(operation, self.value(operand), span, literal=isinstance(operand, ast.Constant))
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self.value(body if self.truth(test) else otherwise)
            case ast.BoolOp(op=operation, values=operands):
                for operand in operands[:-1]:
                    if self.truth(operand) is isinstance(operation, ast.Or):
                        return self.value(operand)
                return self.value(operands[-1])
            case ast.Compare():
                return self._compare(expression, span)
            case ast.JoinedStr(values=parts):
                return computed("".join(self._formatted(part) for part in parts), span, self._via(*parts))
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                slots = list(self._comprehended(expression.generators, expression))
                if isinstance(expression, ast.SetComp):
                    return computed({as_plain(slot.node) for slot in slots}, span, ())
                return Value(Node("list", slots, span))
            case ast.DictComp():
                return Value(self._dict_comprehended(expression, span))
        raise Unknowable(f"lrdecay cannot evaluate {ast.unparse(expression)[:60]}")

    def _constant(self, value: Any, span: Span) -> Value:
        if isinstance(value, str) and value in self.source.placeholders:
            return Value(Node("placeholder", self.source.placeholders[value], span))
        begin, end = self.source.in_file(span.start, span.end)
        inside = [each for each in self.source.templates if begin <= each[0] and each[1] <= end]
        if isinstance(value, str) and any(name in value for name in self.source.placeholders):
            raise Unknowable("mmengine does not replace {{_base_...}} inside a longer string")
        via = tuple(
            Handing("environment" if name[0] == "$" else "template", name, span)
            for _, _, name in inside
            if not name.startswith("_base_.")
        )
        return Value(Node("scalar", value, span, constant=not inside), via)

    def lookup(self, name: str) -> Slot | None:
        """Return the value of a variable; None for Python's builtins and undefined names."""
        scopes = (*reversed(self.locals), self.names)
        return next((scope[name] for scope in scopes if name in scope), None)

    def _name(self, name: str, span: Span) -> Value:
        slot = self.lookup(name)
        if slot is None:
            if name == "__name__":
                # mmengine runs configs without a module name.
                return Value(Node("scalar", "builtins", span))
            if not hasattr(builtins, name):
                raise Raising(f"NameError: {name} is not defined")
            return Value(Node("object", f"builtins.{name}", span))
        if slot.node.span is None and slot.node.kind == "scalar":
            return Value(Node("scalar", slot.node.data, span), slot.via)
        if slot.node.kind == "object":
            return Value(Node("object", slot.node.data, span), slot.via)
        return Value(slot.node, (Handing("variable", name, span), *slot.via) if name != "_base_" else ())

    def items(self, elements: list[ast.expr]) -> Iterator[Slot]:
        """Yield the entries of a list literal, including the entries of an unpacked ``*others``."""
        for element in elements:
            if isinstance(element, ast.Starred):
                value = self.value(element.value)
                yield from (slot._replace(via=(*value.via, *slot.via)) for slot in iterated(value.node))
            else:
                value = self.value(element)
                yield Slot(value.node, via=value.via)

    def _dict(self, expression: ast.Dict, span: Span) -> Value:
        node = Node("dict", {}, span)
        for key, item in zip(expression.keys, expression.values, strict=True):
            value = self.value(item)
            if key is None:
                unpack(node, value)
            else:
                put(node, as_plain(self.value(key).node), Slot(value.node, key=self.source.span(key), via=value.via))
        return Value(node)

    def _attribute(self, holder: Value, attribute: str, span: Span) -> Value:
        node = holder.node
        if node.kind == "config" and attribute in node.data and not hasattr(dict, attribute):
            return self._held(holder, node.data[attribute], attribute, span)
        if node.kind == "object" and not node.data.startswith("builtins."):
            return Value(Node("object", f"{node.data}.{attribute}", span), holder.via)
        if node.kind == "unknown":
            raise Unknowable(node.data)
        if node.kind == "config" and not hasattr(dict, attribute):
            raise Raising(f"AttributeError: {attribute}")
        raise Unknowable(f"there is no .{attribute}")

    def _held(self, holder: Value, slot: Slot, name: str, span: Span) -> Value:
        """Return an element of a container, such as ``x.a`` of ``x``, as a value.

        The value's field ``via`` contains the variable of the container: ``x`` for ``x.a``. For an element of
        ``_base_``, ``via`` contains the whole path: ``_base_.a``.
        """
        if holder.node is self._base():
            return Value(slot.node, (*slot.via, Handing("base-variable", f"_base_.{name}", span)))
        return Value(slot.node, (*holder.via, *slot.via))

    def _base(self) -> Node | None:
        slot = self.names.get("_base_")
        return slot.node if slot else None

    def _subscript(self, holder: Value, index: ast.expr, span: Span) -> Value:
        node = holder.node
        if isinstance(index, ast.Slice):
            if node.kind not in SEQUENCES:
                return computed(as_plain(node)[self.bounds(index)], span, holder.via)
            return Value(Node(node.kind, node.data[self.bounds(index)], span), holder.via)
        key = as_plain(self.value(index).node)
        if node.kind in (*MAPPINGS, *SEQUENCES):
            try:
                return self._held(holder, node.data[key], str(key), span)
            except LookupError as error:
                raise Raising(f"{type(error).__name__}: {error}") from error
        return computed(as_plain(node)[key], span, holder.via)

    def bounds(self, index: ast.Slice) -> slice:
        """Evaluate the bounds of a slice expression such as ``1:n``, and return them as a Python slice."""
        parts = (index.lower, index.upper, index.step)
        return slice(*(None if part is None else as_plain(self.value(part).node) for part in parts))

    def _compare(self, expression: ast.Compare, span: Span) -> Value:
        left = as_plain(self.value(expression.left).node)
        result = True
        for operation, comparator in zip(expression.ops, expression.comparators, strict=True):
            right = as_plain(self.value(comparator).node)
            result = holds(operation, left, right)
            if not result:
                break
            left = right
        return computed(result, span, self._via(expression.left, *expression.comparators))

    def used(self, expression: ast.expr) -> tuple[Handing, ...]:
        """Return the variables of the config that occur in an expression."""
        return self._via(expression)

    def forget_used(self, part: ast.AST, reason: str) -> None:
        """Find all dicts and lists that the code ``part`` can reach through a variable, and mark them as unknown."""
        names = {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}
        done: set[str] = set()
        while pending := names - done:
            done |= pending
            for slot in filter(None, map(self.lookup, pending)):
                if slot.node.kind == "function":
                    # A call may change the values that it can reach by name.
                    names |= {node.id for node in ast.walk(slot.node.data) if isinstance(node, ast.Name)}
                    for node in ast.walk(slot.node.data):
                        for name in node.names if isinstance(node, ast.Global) else ():
                            self.names[name] = Slot(unknown(reason, slot.node.span))
                else:
                    slot.node.forget(reason)

    def truth(self, expression: ast.expr) -> bool:
        """True if a condition holds.

        Raises:
            Unknowable: only running the config can give the result.
        """
        return bool(as_plain(self.value(expression).node))

    def _formatted(self, part: ast.expr) -> str:
        if not isinstance(part, ast.FormattedValue):
            return str(as_plain(self.value(part).node))
        value = as_plain(self.value(part.value).node)
        shape = self._formatted(part.format_spec) if part.format_spec else ""
        if part.conversion > 0:
            value = {"r": repr, "s": str, "a": ascii}[chr(part.conversion)](value)  # type: ignore[operator]
        if len(shape) > 10:
            raise Unknowable("the format specification in an f-string is too long")
        return format(value, shape)

    def _via(self, *expressions: ast.expr) -> tuple[Handing, ...]:
        """Return the variables that occur in expressions, each with its range in the file."""
        names = [node for each in expressions for node in ast.walk(each) if isinstance(node, ast.Name)]
        return tuple(Handing("variable", name.id, self.source.span(name)) for name in names if self.lookup(name.id))

    def _comprehended(self, generators: list[ast.comprehension], body: Any) -> Iterator[Slot]:
        for _ in self._rounds(generators):
            value = self.value(body.elt)
            yield Slot(value.node, via=value.via)

    def _dict_comprehended(self, expression: ast.DictComp, span: Span) -> Node:
        node = Node("dict", {}, span)
        for _ in self._rounds(expression.generators):
            value = self.value(expression.value)
            key = as_plain(self.value(expression.key).node)
            node.data[key] = Slot(value.node, key=self.source.span(expression.key), via=value.via)
        return node

    def _rounds(self, generators: list[ast.comprehension]) -> Iterator[None]:
        if not generators:
            yield
            return
        first, *rest = generators
        if first.is_async:
            raise Unknowable("lrdecay cannot evaluate async comprehensions")
        for slot in iterated(self.value(first.iter).node):
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise Unknowable("the expression takes too long to evaluate")
            scope: dict[str, Slot] = {}
            self.locals.append(scope)
            try:
                bind(first.target, slot, partial(_hold, scope))
                if all(self.truth(condition) for condition in first.ifs):
                    yield from self._rounds(rest)
            finally:
                self.locals.pop()


def _hold(scope: dict[str, Slot], target: ast.Name, slot: Slot) -> None:
    scope[target.id] = slot


def bind(target: ast.expr, slot: Slot, assign: Callable[[ast.Name, Slot], None]) -> None:
    """Assign a value to a name, or to the names in a tuple or list.

    Raises:
        Unknowable: the target is another expression, such as ``a.b`` or ``a[0]``.
    """
    match target:
        case ast.Name():
            assign(target, slot)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) if not any(isinstance(each, ast.Starred) for each in parts):
            for part, each in zip(parts, iterated(slot.node), strict=True):
                bind(part, each._replace(via=(*slot.via, *each.via)), assign)
        case _:
            raise Unknowable("lrdecay cannot evaluate a target such as a.b, a[0] or *a in a loop or a tuple")
