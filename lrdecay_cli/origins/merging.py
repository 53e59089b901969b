"""Merge a config into its bases, and ``--cfg-options`` into a config, as mmengine does.

Source: mmengine 0.10.7, ``Config._file2dict``, ``_merge_a_into_b``, ``_substitute_base_vars``, ``_dict_to_config_dict``
and ``merge_from_dict``.
"""

from __future__ import annotations

from lrdecay_cli.origins.nodes import (
    MAPPINGS,
    SEQUENCES,
    Handing,
    Node,
    Slot,
    Unknowable,
    as_config,
    deep_copy,
    hooked,
    rebuilt,
    unknown,
)
from lrdecay_cli.origins.sources import Span

DELETE = "_delete_"


class Unmergeable(Exception):  # noqa: N818
    """Raised if mmengine cannot merge two values. Contains the problem and the value that causes the problem."""

    def __init__(self, problem: str, slot: Slot) -> None:
        self.problem, self.slot = problem, slot
        super().__init__(problem)


def merge(child: Node, base: Node, *, list_keys: bool = False) -> Node:
    """Return a copy of ``base`` with the entries of ``child``. Dicts are merged; other values are replaced.

    Args:
        child: a dict. Its entry ``_delete_`` is removed.
        base: a dict, or with ``list_keys`` also a list.
        list_keys: True if a key such as ``"0"`` is an index when ``base`` is a list.

    Raises:
        Unmergeable: mmengine raises an exception for this merge.
    """
    merged = rebuilt(base, base.kind, lambda node: node)
    held = merged.data
    for key, slot in child.data.items():
        if list_keys and isinstance(base.data, list):
            if not key.isdigit() or int(key) >= len(held):
                raise Unmergeable(f"{key} is not an index of a list of {len(held)}", slot)
            if slot.node.kind not in MAPPINGS:
                raise Unmergeable("only a dict can be merged into an entry of a list", slot)
            old = held[int(key)]
            if old.node.kind not in (*MAPPINGS, *(SEQUENCES[:1] if list_keys else ())):
                raise Unmergeable("a dict can be merged only into another dict", slot)
            held[int(key)] = old._replace(node=merge(slot.node, old.node, list_keys=True))
            continue
        old = held.get(key)
        if slot.node.kind not in MAPPINGS:
            held[key] = slot.over(old)
            continue
        if old is not None:
            deletes = _taken(slot.node)
            if deletes is None or old.node.kind == "unknown":
                reason = old.node.data if deletes is not None else f"{DELETE} is unknown"
                held[key] = Slot(unknown(reason, slot.node.span), slot.mechanism, slot.key, slot.via).over(old)
                continue
            if not deletes:
                if old.node.kind not in (*MAPPINGS, *(("list",) if list_keys else ())):
                    raise Unmergeable(
                        f"{key} is a dict in this config but not in its base; set {DELETE}=True to replace the base's"
                        " value",
                        slot,
                    )
                held[key] = old._replace(node=merge(slot.node, old.node, list_keys=list_keys))
                continue
        held[key] = slot._replace(node=as_config(slot.node)).over(old)
    return merged


def update_config(config: Node, other: Node) -> None:
    """Apply ``config.merge(other)`` in place. Source: mmengine 0.10.7, ``ConfigDict.merge``."""
    merged = _deep_merged(Slot(deep_copy(other)), Slot(deep_copy(config)))
    config.data.clear()
    for key, slot in merged.node.data.items():
        config.data[key] = slot._replace(node=hooked(slot.node))


def _deep_merged(child: Slot, base: Slot) -> Slot:
    if child.node.kind not in MAPPINGS:
        return child.over(base)
    if base.node.kind not in MAPPINGS:
        child.node.data.pop(DELETE, None)
        return child.over(base)
    deletes = _taken(child.node)
    if deletes is None:
        raise Unknowable(f"{DELETE} is unknown")
    old = base.node.data
    if deletes:
        return child.over(base)
    merged = {key: slot for key, slot in old.items() if key != DELETE}
    for key, slot in child.node.data.items():
        if key in old:
            merged[key] = _deep_merged(slot, old[key])
        else:
            if slot.node.kind in MAPPINGS:
                slot.node.data.pop(DELETE, None)
            merged[key] = slot
    return base._replace(node=Node("dict", merged, base.node.span))


def _taken(node: Node) -> bool | None:
    """Remove ``_delete_`` from a dict and return its value; None if the value is unknown."""
    slot = node.data.pop(DELETE, None)
    if slot is None:
        return False
    return None if slot.node.kind in ("unknown", "object") else bool(slot.node.data)


def in_scope(node: Node, scope: str | None, span: Span | None, *, outermost: bool = True) -> Node:
    """Return a copy of ``node`` in which ``_scope_=scope`` is added to dicts with a ``type``.

    A dict inside another dict with a ``type`` is not changed. If ``scope`` is None, no dict is changed.
    """
    if node.kind in SEQUENCES:
        return rebuilt(node, node.kind, lambda item: in_scope(item, scope, span, outermost=outermost))
    if node.kind not in MAPPINGS:
        return node
    if outermost and "type" in node.data:
        outermost = False
        stated = node.data.get("_scope_")
        if scope is not None and (stated is None or stated.node.data is None):
            node.data["_scope_"] = Slot(Node("scalar", scope, span), "scope")
    return rebuilt(node, "config", lambda item: in_scope(item, scope, span, outermost=outermost))


def with_placeholders(node: Node, base: Node) -> Node:
    """Return a copy in which each ``{{_base_.x}}`` is replaced by the value in the bases.

    Raises:
        Unmergeable: the bases do not contain the value.
    """
    if node.kind not in (*MAPPINGS, *SEQUENCES):
        return node
    copy = rebuilt(node, node.kind, lambda item: with_placeholders(item, base))
    for key, slot in list(copy.data.items() if isinstance(copy.data, dict) else enumerate(copy.data)):
        if slot.node.kind == "placeholder":
            name: str = slot.node.data
            found: Node | None = base
            for part in name.split("."):
                found = found.data[part].node if found and found.kind in MAPPINGS and part in found.data else None
            if found is None:
                raise Unmergeable(f"the base configs have no {name}", slot)
            via = (Handing("base-variable", f"_base_.{name}", slot.node.span),) if slot.node.span else ()
            copy.data[key] = slot._replace(node=found, via=(*slot.via, *via))
    return copy
