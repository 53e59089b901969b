"""Looking a name up in a registry of mmengine."""

from __future__ import annotations

from typing import Any

from mmengine.registry import Registry


def look_up(registry: Registry, name: str) -> Any:
    """What is registered under ``name``, None if nothing is.

    Source: mmengine 0.10.7, ``Registry.get``, which gives None for most names, and raises RuntimeError for those that
    cannot even be the path of a module (``''``, ``'.AdamW'``).
    """
    try:
        return registry.get(name)
    except RuntimeError:
        return None
