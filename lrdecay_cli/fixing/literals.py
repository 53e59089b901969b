"""Write values as Python literals in the style of config files."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

from lrdecay_cli.text.python_source import as_python

WIDTH = 120
"""Maximum length of a new line, in characters."""


def python_literal(value: Any, *, indent: str = "", column: int = 0) -> str:
    """Return a value as Python source, on one line if it is short.

    Args:
        value: a value of a config.
        indent: the indentation of the line on which the literal begins.
        column: the number of characters before the literal on this line.
    """
    line = _one_line(value)
    if column + len(line) <= WIDTH or not isinstance(value, (Mapping, list, tuple)) or not value:
        return line
    inner = f"{indent}    "
    if isinstance(value, (list, tuple)):
        items = [python_literal(each, indent=inner, column=len(inner)) for each in value]
        opening, closing = "[]" if isinstance(value, list) else "()"
    else:
        words = all(map(is_word, value))
        opening, closing = ("dict(", ")") if words else ("{", "}")
        heads = [f"{key}=" if words else f"{key!r}: " for key in value]
        items = [
            head + python_literal(each, indent=inner, column=len(inner) + len(head))
            for head, each in zip(heads, value.values(), strict=True)
        ]
    return f"{opening}\n{inner}" + f",\n{inner}".join(items) + f",\n{indent}{closing}"


def _one_line(value: Any) -> str:
    """Return a value as Python source on one line. Unlike :func:`as_python`, write tuples as tuples."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_one_line, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(_one_line, value))}]"
    if isinstance(value, Mapping):
        words = all(map(is_word, value))
        entries = (
            f"{key}={_one_line(item)}" if words else f"{key!r}: {_one_line(item)}" for key, item in value.items()
        )
        return f"dict({', '.join(entries)})" if words else f"{{{', '.join(entries)}}}"
    return as_python(value)


def is_word(key: Any) -> bool:
    """True if a key of a dict can be written as a keyword: ``dict(key=value)``."""
    return isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key)
