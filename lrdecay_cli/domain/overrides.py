"""Overrides of config options with Python values, for the Python API. ``--cfg-options`` accepts only texts."""

from __future__ import annotations

from typing import Any


class TypedOverride(str):
    """An override with a value that ``key=text`` cannot express: a string with commas, a dict, an empty list.

    The text of the override is ``python: key=value``. ``--cfg-options`` cannot give such a text, so the override never
    has the same cache key as ``key=text``.
    """

    key: str
    value: Any

    def __new__(cls, key: str, value: Any) -> TypedOverride:
        """Return an override that sets the option ``key``, a path with dots, to ``value``."""
        made = super().__new__(cls, f"python: {key}={value!r}")
        made.key, made.value = key, value
        return made
