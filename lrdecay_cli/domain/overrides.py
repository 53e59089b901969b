"""Overrides of config options as Python values. ``--cfg-options`` gives overrides as text."""

from __future__ import annotations

from typing import Any


class TypedOverride(str):
    """An override whose value cannot be written as ``key=text``: a string with commas, a dict, an empty list.

    Its text cannot come from a command line, so its cache key differs from that of ``key=text``.
    """

    key: str
    value: Any

    def __new__(cls, key: str, value: Any) -> TypedOverride:
        """Return the override of the option ``key``, a path with dots, by ``value``."""
        made = super().__new__(cls, f"python: {key}={value!r}")
        made.key, made.value = key, value
        return made
