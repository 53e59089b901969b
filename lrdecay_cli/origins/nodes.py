"""Values of a config with the places that set them.

Dicts and lists are shared between names and changed in place, as when mmengine runs a config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from lrdecay_cli.domain.origins import Mechanism, Passage
from lrdecay_cli.origins.sources import Span

Kind = Literal["scalar", "dict", "config", "list", "tuple", "object", "function", "placeholder", "unknown"]
"""``config``: mmengine's ConfigDict. ``object``: a module or an imported object. ``placeholder``: the string that
mmengine uses for ``{{_base_.x}}`` until the file has run.
"""

MAPPINGS = ("dict", "config")
SEQUENCES = ("list", "tuple")


class Handing(NamedTuple):
    """A name that passes a value on, and the place of its use."""

    kind: Passage
    name: str
    span: Span


class Node:
    """A value.

    ``data`` is a dict or list of slots for a container, the reason for an unknown value, otherwise the value.
    """

    __slots__ = ("constant", "data", "kind", "span")

    def __init__(self, kind: Kind, data: Any, span: Span | None = None, *, constant: bool = False) -> None:
        self.kind = kind
        self.data = data
        self.span = span
        self.constant = constant

    def forget(self, reason: str) -> None:
        """Make the value and its contents unknown for all names that share it."""
        pending, seen = [self], set()
        while pending:
            node = pending.pop()
            if id(node) not in seen and node.kind in (*MAPPINGS, *SEQUENCES):
                seen.add(id(node))
                pending += [slot.node for slot in slots_of(node)]
                node.kind, node.data, node.constant = "unknown", reason, False


class Slot(NamedTuple):
    """The value of a name, key or index, with the earlier values that it replaced."""

    node: Node
    mechanism: Mechanism = "assignment"
    key: Span | None = None
    via: tuple[Handing, ...] = ()
    replaced: tuple[Slot, ...] = ()
    """Replaced values, the oldest first. Their own ``replaced`` is empty."""

    def over(self, old: Slot | None) -> Slot:
        """Return the slot with the value of ``old`` as the first replaced value."""
        if old is None:
            return self
        return self._replace(replaced=(*old.replaced, old._replace(replaced=()), *self.replaced))


def unknown(reason: str, span: Span | None) -> Node:
    """Return a value that only running the config can give."""
    return Node("unknown", reason, span)


def slots_of(node: Node) -> Iterator[Slot]:
    """Yield the slots of a container; nothing for any other value."""
    if node.kind in MAPPINGS:
        yield from node.data.values()
    elif node.kind in SEQUENCES:
        yield from node.data


def rebuilt(node: Node, kind: Kind, change: Callable[[Node], Node]) -> Node:
    """Return a container of another kind, with ``change`` applied to every value."""
    if node.kind in MAPPINGS:
        data: Any = {key: slot._replace(node=change(slot.node)) for key, slot in node.data.items()}
    else:
        data = [slot._replace(node=change(slot.node)) for slot in node.data]
    return Node(kind, data, node.span)


def as_config(node: Node) -> Node:
    """Return ``ConfigDict(node)``: a copy; dicts in it become ConfigDicts, lists are copied, ConfigDicts are shared."""
    return rebuilt(node, "config", hooked)


def hooked(node: Node) -> Node:
    """Return the value that a ConfigDict stores. Source: mmengine 0.10.7, ``ConfigDict._hook``."""
    if node.kind == "dict":
        return as_config(node)
    return rebuilt(node, node.kind, hooked) if node.kind in SEQUENCES else node


def deep_copy(node: Node) -> Node:
    """Return a copy that shares no container with ``node``."""
    return rebuilt(node, node.kind, deep_copy) if node.kind in (*MAPPINGS, *SEQUENCES) else node


def all_config(node: Node) -> Node:
    """Return a copy in which every dict is a separate ConfigDict."""
    if node.kind in MAPPINGS:
        return rebuilt(node, "config", all_config)
    return rebuilt(node, node.kind, all_config) if node.kind in SEQUENCES else node


def put(container: Node, key: Any, slot: Slot) -> None:
    """Set an item of a dict or ConfigDict; the former value is kept as replaced."""
    if container.kind == "config":
        slot = slot._replace(node=hooked(slot.node))
    container.data[key] = slot.over(container.data.get(key))


class Unknowable(Exception):  # noqa: N818
    """Only running the config can give the value."""


class Raising(Unknowable):
    """Running the config raises an exception here."""


def as_plain(node: Node) -> Any:
    """Return the value as Python data. Raises Unknowable if a part is unknown or not plain data."""
    if node.kind in MAPPINGS:
        return {key: as_plain(slot.node) for key, slot in node.data.items()}
    if node.kind in SEQUENCES:
        items = [as_plain(slot.node) for slot in node.data]
        return items if node.kind == "list" else tuple(items)
    if node.kind != "scalar":
        raise Unknowable(node.data if node.kind == "unknown" else "it is not plain data")
    return node.data
