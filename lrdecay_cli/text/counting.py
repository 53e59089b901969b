"""Format numbers, ranges and lists with their nouns and verbs, for sentences."""

from __future__ import annotations

from collections.abc import Iterable


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 tensor``, ``1,234 tensors``."""
    return f"{number:,} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """Return the form of a noun for a number: ``tensor`` for 1, ``tensors`` or ``biases`` for any other number."""
    return noun if number == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"


def verb(number: int, singular: str, plural: str) -> str:
    """Return the form of a verb for a number of subjects: ``is`` for 1, ``are`` for any other number."""
    return singular if number == 1 else plural


def listed(items: Iterable[object], last: str = "and") -> str:
    """Return items as text: ``A``, ``A and B``, ``A, B and C``; empty for no items.

    Args:
        items: formatted with ``str``.
        last: the word before the last item.
    """
    words = list(map(str, items))
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def either(items: Iterable[object]) -> str:
    """Return alternatives as text: ``A``, ``A or B``, ``A, B or C``; empty for no items."""
    return listed(items, "or")


def rate(value: float) -> str:
    """Return a learning rate or an lr scale in three significant digits: ``0.7``, ``2.4e-06``."""
    return f"{value:.3g}"


def span(values: Iterable[float]) -> str:
    """Return the range of some values as text: ``0.058 to 0.7``, or ``0.7`` if all are equal."""
    several = sorted(values)
    low, high = rate(several[0]), rate(several[-1])
    return low if low == high else f"{low} to {high}"


def factor_text(value: float) -> str:
    """Return a ratio in three significant digits: ``×0.12``, ``×1.25``."""
    return f"×{value:.3g}"


def factor_span(values: Iterable[float]) -> str:
    """Return the range of some ratios as text: ``×0.12 to ×0.5``, or ``×0.12`` if all are equal."""
    several = sorted(values)
    return " to ".join(dict.fromkeys((factor_text(several[0]), factor_text(several[-1]))))


def integers(values: Iterable[int], separator: str = ", ", to: str = " to ") -> str:
    """Return ascending integers as text: ``5``, ``6 to 11``, ``5, 7``. Three or more consecutive integers become a
    range.
    """
    runs: list[list[int]] = []
    if isinstance(values, range) and values.step == 1 and values:
        # A range may be too long to iterate over.
        runs, values = [[values[0], values[-1]]], ()
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return separator.join(
        f"{first}{to}{last}" if last - first > 1 else separator.join(map(str, dict.fromkeys((first, last))))
        for first, last in runs
    )


def options_text(options: object) -> str:
    """Return a mapping as ``key=value, key=value``, and any other value as its ``str``."""
    return ", ".join(f"{key}={value}" for key, value in options.items()) if isinstance(options, dict) else str(options)
