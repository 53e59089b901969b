"""Text from strange files, fit to be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` with control characters as escapes: a name from a strange config must not steer a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def said_by(error: BaseException) -> str:
    """What an exception says; empty if that fails too, as it may with one of a config's own."""
    try:
        return str(error)
    except Exception:
        return ""
