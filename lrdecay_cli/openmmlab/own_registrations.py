"""Check if the current program has registered its own classes with mmengine.

This module imports neither torch nor mmengine. If the program has not imported mmengine, it has registered no class.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

_STACK = frozenset(
    (
        *("mmengine", "mmcv", "mmdet", "mmpretrain", "torch", "torchvision", "builtins"),
        # Source: mmengine 0.10.7, ``optim/optimizer/builder.py``, which registers optimizers of installed packages.
        *("torch_npu", "dadaptation", "lion_pytorch", "sophia", "Sophia", "bitsandbytes", "transformers"),
    )
)
"""Packages whose registered classes do not count, because every build imports these packages."""


def has_own_registrations() -> bool:
    """True if the current program has registered a class of its own, which a new process would not know."""
    module = sys.modules.get("mmengine.registry")
    if module is None:
        return False
    seen: set[int] = set()
    roots = [
        each for each in list(vars(module).values()) if hasattr(each, "_module_dict") and hasattr(each, "_children")
    ]
    return any(
        str(getattr(registered, "__module__", "")).partition(".")[0] not in _STACK
        for root in roots
        for registered in _registered(root, seen)
    )


def _registered(registry: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the registered classes of a registry and its children."""
    if id(registry) in seen:
        return
    seen.add(id(registry))
    yield from list(registry._module_dict.values())
    for child in list(registry._children.values()):
        yield from _registered(child, seen)
