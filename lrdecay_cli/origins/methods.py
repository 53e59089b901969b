"""Evaluate methods of dicts and lists that configs use to change values."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lrdecay_cli.domain.origins import Mechanism
from lrdecay_cli.origins.merging import update_config
from lrdecay_cli.origins.nodes import MAPPINGS, SEQUENCES, Node, Slot, Unknowable, as_plain, put, rebuilt
from lrdecay_cli.origins.operations import Value, iterated, unpack
from lrdecay_cli.origins.sources import Span

if TYPE_CHECKING:
    from lrdecay_cli.origins.evaluating import Evaluator


def arguments(evaluator: Evaluator, expression: ast.Call) -> list[Value]:
    """Return the values of the positional arguments of a call.

    Raises:
        Unknowable: the call contains an argument such as ``*others``.
    """
    if any(isinstance(each, ast.Starred) for each in expression.args):
        raise Unknowable("lrdecay cannot evaluate a call with *arguments")
    return [evaluator.value(each) for each in expression.args]


def plain_arguments(evaluator: Evaluator, expression: ast.Call) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and keyword arguments of a call as Python values.

    Raises:
        Unknowable: an argument is unknown or not plain data.
    """
    given = [as_plain(each.node) for each in arguments(evaluator, expression)]
    if any(each.arg is None for each in expression.keywords):
        raise Unknowable("lrdecay cannot evaluate a call with **arguments")
    return given, {str(each.arg): as_plain(evaluator.value(each.value).node) for each in expression.keywords}


def _put_keywords(evaluator: Evaluator, expression: ast.Call, node: Node, mechanism: Mechanism) -> None:
    for keyword in expression.keywords:
        value = evaluator.value(keyword.value)
        if keyword.arg is None:
            unpack(node, value)
        else:
            whole = evaluator.source.span(keyword)
            key = whole._replace(end=whole.start + len(keyword.arg))
            put(node, keyword.arg, Slot(value.node, mechanism, key, value.via))


def put_entries(evaluator: Evaluator, expression: ast.Call, node: Node, mechanism: Mechanism) -> None:
    """Set the arguments of ``dict(...)`` or ``.update(...)`` as entries of a dict."""
    given = arguments(evaluator, expression)
    if len(given) > 1:
        raise Unknowable("the call raises TypeError")
    for value in given:
        if value.node.kind in MAPPINGS:
            for key, slot in value.node.data.items():
                put(node, key, slot._replace(mechanism=mechanism, via=(*value.via, *slot.via)))
        else:
            for pair in iterated(value.node):
                key, item = iterated(pair.node)
                put(node, as_plain(key.node), Slot(item.node, mechanism, via=(*value.via, *pair.via, *item.via)))
    _put_keywords(evaluator, expression, node, mechanism)


def _update(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    given = Node("dict", {}, span)
    put_entries(evaluator, expression, given, "edit")
    _put_all(node, given)
    return Node("scalar", None, span)


def _put_all(node: Node, given: Node) -> None:
    """Merge the entries of ``given`` into a dict. Source: mmengine 0.10.7, ``ConfigDict.update``, which merges nested
    dicts.
    """
    for key, slot in given.data.items():
        held = node.data.get(key)
        if node.kind == "config" and held and held.node.kind in MAPPINGS and slot.node.kind in MAPPINGS:
            _put_all(held.node, slot.node) if held.node.kind == "config" else held.node.data.update(slot.node.data)
        else:
            put(node, key, slot)


def _merge(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    (value,) = arguments(evaluator, expression)
    if value.node.kind not in MAPPINGS:
        raise Unknowable(value.node.data if value.node.kind == "unknown" else "the argument of merge is not a dict")
    update_config(node, rebuilt(value.node, value.node.kind, lambda same: same))
    return Node("scalar", None, span)


def _pop(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    given = arguments(evaluator, expression)
    if node.kind in SEQUENCES:
        slot: Slot = node.data.pop(as_plain(given[0].node) if given else -1)
        return slot.node
    default = given[1].node if len(given) > 1 else _default(evaluator, expression, span)
    if node.kind == "dict" and default is None and as_plain(given[0].node) not in node.data:
        raise KeyError
    held: Slot | None = node.data.pop(as_plain(given[0].node), None)
    return held.node if held else default or Node("scalar", None, span)


def _default(evaluator: Evaluator, expression: ast.Call, span: Span) -> Node | None:
    return next((evaluator.value(each.value).node for each in expression.keywords if each.arg == "default"), None)


def _get(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    given = arguments(evaluator, expression)
    held: Slot | None = node.data.get(as_plain(given[0].node))
    if held:
        return held.node
    return given[1].node if len(given) > 1 else _default(evaluator, expression, span) or Node("scalar", None, span)


def _setdefault(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    key, *default = arguments(evaluator, expression)
    name = as_plain(key.node)
    if name not in node.data:
        value = default[0] if default else Value(Node("scalar", None, span))
        put(node, name, Slot(value.node, "edit", evaluator.source.span(expression.args[0]), value.via))
        return value.node
    held: Node = node.data[name].node
    return held


def _copy(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    return shallow_copy(node)


def shallow_copy(node: Node) -> Node:
    """Return the result of ``.copy()`` for a dict or list. Any other value is returned unchanged."""
    if node.kind not in (*MAPPINGS, "list"):
        return node
    copy = Node(node.kind, {} if node.kind in MAPPINGS else list(node.data), node.span)
    if node.kind in MAPPINGS:
        copy.data.update(rebuilt(node, node.kind, _listed if node.kind == "config" else lambda same: same).data)
    return copy


def _listed(node: Node) -> Node:
    """Return a copy of a list or tuple, for a copy of a ConfigDict. Any other value is returned unchanged."""
    return rebuilt(node, node.kind, _listed) if node.kind in SEQUENCES else node


def _clear(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    node.data.clear()
    return Node("scalar", None, span)


def _keys(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    return Node("list", iterated(node), span)


def _values(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    return Node("list", list(node.data.values()), span)


def _items(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    pairs = [[Slot(Node("scalar", key)), slot] for key, slot in node.data.items()]
    return Node("list", [Slot(Node("tuple", pair)) for pair in pairs], span)


def _append(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    (value,) = arguments(evaluator, expression)
    node.data.append(Slot(value.node, "edit", via=value.via))
    return Node("scalar", None, span)


def _insert(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    index, value = arguments(evaluator, expression)
    node.data.insert(as_plain(index.node), Slot(value.node, "edit", via=value.via))
    return Node("scalar", None, span)


def _extend(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    (value,) = arguments(evaluator, expression)
    node.data.extend(slot._replace(mechanism="edit", via=(*value.via, *slot.via)) for slot in iterated(value.node))
    return Node("scalar", None, span)


def _reverse(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    node.data.reverse()
    return Node("scalar", None, span)


def _index(evaluator: Evaluator, node: Node, expression: ast.Call, span: Span) -> Node:
    given, _ = plain_arguments(evaluator, expression)
    return Node("scalar", [as_plain(slot.node) for slot in node.data].index(*given), span)


def method_of(node: Node, name: str) -> Callable[[Evaluator, Node, ast.Call, Span], Node] | None:
    """Return the function that evaluates a method of a dict or list; None if lrdecay cannot evaluate the method."""
    if name == "merge":
        return _merge if node.kind == "config" else None
    return _METHODS.get((_TYPES.get(node.kind, ""), name))


_TYPES: Mapping[str, str] = {"dict": "mapping", "config": "mapping", "list": "list", "tuple": "tuple"}
_METHODS: Mapping[tuple[str, str], Callable[[Evaluator, Node, ast.Call, Span], Node]] = {
    ("mapping", "update"): _update,
    ("mapping", "pop"): _pop,
    ("mapping", "get"): _get,
    ("mapping", "setdefault"): _setdefault,
    ("mapping", "copy"): _copy,
    ("mapping", "clear"): _clear,
    ("mapping", "keys"): _keys,
    ("mapping", "values"): _values,
    ("mapping", "items"): _items,
    ("list", "append"): _append,
    ("list", "extend"): _extend,
    ("list", "insert"): _insert,
    ("list", "pop"): _pop,
    ("list", "copy"): _copy,
    ("list", "clear"): _clear,
    ("list", "reverse"): _reverse,
    ("list", "index"): _index,
    ("tuple", "index"): _index,
}
