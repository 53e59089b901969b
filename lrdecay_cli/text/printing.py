"""Make names and messages safe and readable: escape control characters, sort names naturally."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return ``text`` with control characters escaped, because a name from an untrusted config must not control the
    terminal.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def message_of(error: BaseException) -> str:
    """Return the message of an exception; empty if its ``str`` raises, which is possible for a class in a config."""
    try:
        return str(error)
    except Exception:
        return ""


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts ``group_2`` before ``group_10``."""
    # A cached result needs this module, and importing regular expressions would take as long as the rest of it.
    import re

    # Text and digits alternate, so that text is compared with text and numbers with numbers.
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), part) if index % 2 else (0, 0, part) for index, part in enumerate(parts)]
