"""Text that is fit to be shown: characters that are safe, names in the order that people expect."""

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


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key to sort by that puts ``group_2`` before ``group_10``."""
    # An answer from the cache needs this module, and takes no longer than it takes to import regular expressions.
    import re

    # re.split gives text and numbers in turn, so that like is compared with like.
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), part) if index % 2 else (0, 0, part) for index, part in enumerate(parts)]
