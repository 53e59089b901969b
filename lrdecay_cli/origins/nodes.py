"""Values of a config with the places that they come from.

Dicts and lists are shared between names and changed in place, as they are when mmengine runs a config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from lrdecay_cli.domain.origins import Mechanism, Passage
from lrdecay_cli.origins.sources import Span

Kind = Literal["scalar", "dict", "config", "list", "tuple", "object", "function", "placeholder", "unknown"]
"""A ``config`` is mmengine's ConfigDict, an ``object`` a module or what an import brings, a ``placeholder`` the string
that mmengine puts where ``{{_base_.x}}`` stands until the file has run."""

MAPPINGS = ("dict", "config")
SEQUENCES = ("list", "tuple")


class Handing(NamedTuple):
    """A name that hands a value on, and where it is used."""

    kind: Passage
    name: str
    span: Span


class Node:
    """A value; ``data`` is a dict or list of slots for a container, the reason for an unknown one."""

    __slots__ = ("constant", "data", "kind", "span")

    def __init__(self, kind: Kind, data: Any, span: Span | None = None, *, constant: bool = False) -> None:
        self.kind = kind
        self.data = data
        self.span = span
        self.constant = constant

    def forget(self, reason: str) -> None:
        """Make the value unknown for all that share it, and all that it holds."""
        pending, seen = [self], set()
        while pending:
            node = pending.pop()
            if id(node) not in seen and node.kind in (*MAPPINGS, *SEQUENCES):
                seen.add(id(node))
                pending += [slot.node for slot in slots_of(node)]
                node.kind, node.data, node.constant = "unknown", reason, False


class Slot(NamedTuple):
    """What a name, a key or a position holds, and what it held before."""

    node: Node
    mechanism: Mechanism = "assignment"
    key: Span | None = None
    via: tuple[Handing, ...] = ()
    replaced: tuple[Slot, ...] = ()
    """First to last; none of them has any itself."""

    def over(self, old: Slot | None) -> Slot:
        """The same with what ``old`` held as the first that it replaces."""
        if old is None:
            return self
        return self._replace(replaced=(*old.replaced, old._replace(replaced=()), *self.replaced))


def unknown(reason: str, span: Span | None) -> Node:
    """A value that only running the config can tell."""
    return Node("unknown", reason, span)


def slots_of(node: Node) -> Iterator[Slot]:
    """The slots of a container; none of anything else."""
    if node.kind in MAPPINGS:
        yield from node.data.values()
    elif node.kind in SEQUENCES:
        yield from node.data


def rebuilt(node: Node, kind: Kind, change: Callable[[Node], Node]) -> Node:
    """A container of another kind with every value changed by ``change``."""
    if node.kind in MAPPINGS:
        data: Any = {key: slot._replace(node=change(slot.node)) for key, slot in node.data.items()}
    else:
        data = [slot._replace(node=change(slot.node)) for slot in node.data]
    return Node(kind, data, node.span)


def as_config(node: Node) -> Node:
    """``ConfigDict(node)``: a copy; dicts in it become ConfigDicts, lists are copied, ConfigDicts are shared."""
    return rebuilt(node, "config", hooked)


def hooked(node: Node) -> Node:
    """What a ConfigDict keeps of a value. Source: mmengine 0.10.7, ``ConfigDict._hook``."""
    if node.kind == "dict":
        return as_config(node)
    return rebuilt(node, node.kind, hooked) if node.kind in SEQUENCES else node


def deep_copy(node: Node) -> Node:
    """A copy that shares no container with ``node``."""
    return rebuilt(node, node.kind, deep_copy) if node.kind in (*MAPPINGS, *SEQUENCES) else node


def all_config(node: Node) -> Node:
    """A copy in which every dict is a ConfigDict of its own."""
    if node.kind in MAPPINGS:
        return rebuilt(node, "config", all_config)
    return rebuilt(node, node.kind, all_config) if node.kind in SEQUENCES else node


def put(container: Node, key: Any, slot: Slot) -> None:
    """Set an item of a dict or ConfigDict, which keeps what was there before as replaced."""
    if container.kind == "config":
        slot = slot._replace(node=hooked(slot.node))
    container.data[key] = slot.over(container.data.get(key))


class Unknowable(Exception):  # noqa: N818
    """Only running the config can tell."""


class Raising(Unknowable):
    """Running the config raises an exception here."""


def as_plain(node: Node) -> Any:
    """The value in Python. Raises Unknowable if a part of it is unknown or no plain data."""
    if node.kind in MAPPINGS:
        return {key: as_plain(slot.node) for key, slot in node.data.items()}
    if node.kind in SEQUENCES:
        items = [as_plain(slot.node) for slot in node.data]
        return items if node.kind == "list" else tuple(items)
    if node.kind != "scalar":
        raise Unknowable(node.data if node.kind == "unknown" else "it is not plain data")
    return node.data
