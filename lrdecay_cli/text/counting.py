"""Numbers with their nouns and verbs, and lists of names, in sentences."""

from __future__ import annotations

from collections.abc import Iterable


def count(number: int, noun: str) -> str:
    """``1 tensor``, ``1,234 tensors``."""
    return f"{number:,} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """``tensor`` for 1; ``tensors``, ``biases`` for any other number."""
    return noun if number == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"


def verb(number: int, singular: str, plural: str) -> str:
    """The form for so many subjects: ``is`` for 1, ``are`` for any other number."""
    return singular if number == 1 else plural


def listed(items: Iterable[object], last: str = "and") -> str:
    """``A``, ``A and B``, ``A, B and C``; empty for no items.

    Args:
        items: written by ``str``.
        last: the word before the last item.
    """
    words = list(map(str, items))
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def either(items: Iterable[object]) -> str:
    """``A``, ``A or B``, ``A, B or C``; empty for no items."""
    return listed(items, "or")
