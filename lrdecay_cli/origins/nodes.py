"""Values of a config, with the place in a file that sets each value.

Several variables may share a dict or list. A change through one variable is visible through all these variables, as in
a running config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from lrdecay_cli.domain.origins import Mechanism, Passage
from lrdecay_cli.origins.sources import Span

Kind = Literal["scalar", "dict", "config", "list", "tuple", "object", "function", "placeholder", "unknown"]
"""Type of a value. ``config``: mmengine's ConfigDict. ``object``: a module or an imported object. ``placeholder``: the
string that mmengine writes in place of ``{{_base_.x}}`` before it runs the file.
"""

MAPPINGS = ("dict", "config")
SEQUENCES = ("list", "tuple")


class Handing(NamedTuple):
    """A variable, import or template through which a config sets a value, such as ``base_lr`` in ``lr=base_lr``.

    ``span`` is the place in the file where the config uses the variable, import or template.
    """

    kind: Passage
    name: str
    span: Span


class Node:
    """A value of a config.

    The attribute ``data`` contains :class:`Slot` objects for a dict or list, the reason for an unknown value, and the
    Python value in all other cases.
    """

    __slots__ = ("constant", "data", "kind", "span")

    def __init__(self, kind: Kind, data: Any, span: Span | None = None, *, constant: bool = False) -> None:
        self.kind = kind
        self.data = data
        self.span = span
        self.constant = constant

    def forget(self, reason: str) -> None:
        """Mark a dict or list and all its entries as unknown, for all variables that share the dict or list."""
        pending, seen = [self], set()
        while pending:
            node = pending.pop()
            if id(node) not in seen and node.kind in (*MAPPINGS, *SEQUENCES):
                seen.add(id(node))
                pending += [slot.node for slot in slots_of(node)]
                node.kind, node.data, node.constant = "unknown", reason, False


class Slot(NamedTuple):
    """A variable, dict entry or list entry: its current value, and the earlier values that this value replaced."""

    node: Node
    mechanism: Mechanism = "assignment"
    key: Span | None = None
    via: tuple[Handing, ...] = ()
    replaced: tuple[Slot, ...] = ()
    """The values that this value replaced, the oldest first. In these slots, ``replaced`` is empty."""

    def over(self, old: Slot | None) -> Slot:
        """Return a copy of this slot that replaces ``old``.

        In the copy, ``replaced`` also contains ``old`` and all values that ``old`` had replaced.
        """
        if old is None:
            return self
        return self._replace(replaced=(*old.replaced, old._replace(replaced=()), *self.replaced))


def unknown(reason: str, span: Span | None) -> Node:
    """Return a node for a value that lrdecay cannot find out without running the config."""
    return Node("unknown", reason, span)


def slots_of(node: Node) -> Iterator[Slot]:
    """Yield the entries of a dict or list. Yields nothing for any other value."""
    if node.kind in MAPPINGS:
        yield from node.data.values()
    elif node.kind in SEQUENCES:
        yield from node.data


def rebuilt(node: Node, kind: Kind, change: Callable[[Node], Node]) -> Node:
    """Return a copy of a dict or list, with the type ``kind``. Each value in the copy is ``change(value)``."""
    if node.kind in MAPPINGS:
        data: Any = {key: slot._replace(node=change(slot.node)) for key, slot in node.data.items()}
    else:
        data = [slot._replace(node=change(slot.node)) for slot in node.data]
    return Node(kind, data, node.span)


def as_config(node: Node) -> Node:
    """Return the result of ``ConfigDict(node)``.

    Nested dicts become ConfigDicts, lists are copied, and nested ConfigDicts are shared with ``node``.
    """
    return rebuilt(node, "config", hooked)


def hooked(node: Node) -> Node:
    """Return the value that a ConfigDict stores for ``node``: a ConfigDict for a dict, a copy for a list or tuple.

    Source: mmengine 0.10.7, ``ConfigDict._hook``.
    """
    if node.kind == "dict":
        return as_config(node)
    return rebuilt(node, node.kind, hooked) if node.kind in SEQUENCES else node


def deep_copy(node: Node) -> Node:
    """Return a copy that shares no dict or list with ``node``."""
    return rebuilt(node, node.kind, deep_copy) if node.kind in (*MAPPINGS, *SEQUENCES) else node


def all_config(node: Node) -> Node:
    """Return a deep copy in which every dict is a ConfigDict."""
    if node.kind in MAPPINGS:
        return rebuilt(node, "config", all_config)
    return rebuilt(node, node.kind, all_config) if node.kind in SEQUENCES else node


def put(container: Node, key: Any, slot: Slot) -> None:
    """Set an entry of a dict or ConfigDict. The new entry records the old value in ``replaced``."""
    if container.kind == "config":
        slot = slot._replace(node=hooked(slot.node))
    container.data[key] = slot.over(container.data.get(key))


class Unknowable(Exception):  # noqa: N818
    """Raised if lrdecay cannot find out a value without running the config."""


class Raising(Unknowable):
    """Raised for an expression that would raise an exception if the config was run."""


def as_plain(node: Node) -> Any:
    """Return a value as Python data.

    Raises:
        Unknowable: a part of the value is unknown or not plain data.
    """
    if node.kind in MAPPINGS:
        return {key: as_plain(slot.node) for key, slot in node.data.items()}
    if node.kind in SEQUENCES:
        items = [as_plain(slot.node) for slot in node.data]
        return items if node.kind == "list" else tuple(items)
    if node.kind != "scalar":
        raise Unknowable(node.data if node.kind == "unknown" else "the value is not plain data")
    return node.data
