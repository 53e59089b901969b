"""Replacing attributes for a while, and putting back exactly what was there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_INHERITED = object()


@contextmanager
def patched(owner: Any, **replacements: Any) -> Iterator[None]:
    """Set attributes of a module or class in the ``with`` block; afterwards each is as it was, or inherited again."""
    originals = {name: vars(owner).get(name, _INHERITED) for name in replacements}
    try:
        for name, replacement in replacements.items():
            setattr(owner, name, replacement)
        yield
    finally:
        for name, original in originals.items():
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
