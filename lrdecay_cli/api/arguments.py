"""Check the arguments of the Python API, so that a wrong type gives a short error that names the argument."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError


def path_of(value: Any, name: str) -> str:
    """Return a path as text.

    Raises:
        LrdecayError: ``value`` is neither a string nor a path.
    """
    if isinstance(value, (str, os.PathLike)) and isinstance(path := os.fspath(value), str) and "\0" not in path:
        return path
    shown = repr(value) if isinstance(value, str) else f"an object of type {type(value).__name__}"
    raise LrdecayError(f"{shown} is not a path", where=name, fix="give a path as str or pathlib.Path")


def text_of(value: Any, name: str) -> str:
    """Return ``value`` if it is a string, and raise LrdecayError otherwise."""
    if isinstance(value, str):
        return value
    raise LrdecayError(f"{value!r} is not a string", where=name)


def number_of(value: Any, name: str) -> float:
    """Return ``value`` if it is a number, and raise LrdecayError otherwise."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise LrdecayError(f"{value!r} is not a number", where=name)


def names_of(value: Any, name: str) -> tuple[str, ...]:
    """Return a list of names. A single string is a list of one name.

    Raises:
        LrdecayError: ``value`` is neither a string nor an iterable of strings.
    """
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Iterable):
        raise LrdecayError(f"{value!r} is not a list of names", where=name)
    return tuple(text_of(each, name) for each in value)
