"""Numbers, ranges and lists with their nouns and verbs, for sentences."""

from __future__ import annotations

from collections.abc import Iterable


def count(number: int, noun: str) -> str:
    """``1 tensor``, ``1,234 tensors``."""
    return f"{number:,} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """The singular for 1, the plural for any other number: ``tensor``, ``tensors``; ``biases``."""
    return noun if number == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"


def verb(number: int, singular: str, plural: str) -> str:
    """The verb form for a number of subjects: ``is`` for 1, ``are`` for any other number."""
    return singular if number == 1 else plural


def listed(items: Iterable[object], last: str = "and") -> str:
    """``A``, ``A and B``, ``A, B and C``; empty for no items.

    Args:
        items: formatted with ``str``.
        last: the word before the last item.
    """
    words = list(map(str, items))
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def either(items: Iterable[object]) -> str:
    """``A``, ``A or B``, ``A, B or C``; empty for no items."""
    return listed(items, "or")


def rate(value: float) -> str:
    """A learning rate or a scale in three significant digits: ``0.7``, ``2.4e-06``."""
    return f"{value:.3g}"


def span(values: Iterable[float]) -> str:
    """``0.7``, or ``0.058 to 0.7`` for different values."""
    several = sorted(values)
    low, high = rate(several[0]), rate(several[-1])
    return low if low == high else f"{low} to {high}"


def factor_text(value: float) -> str:
    """A ratio in three significant digits: ``×0.12``, ``×1.25``."""
    return f"×{value:.3g}"


def factor_span(values: Iterable[float]) -> str:
    """``×0.12``, or ``×0.12 to ×0.5`` for different ratios."""
    several = sorted(values)
    return " to ".join(dict.fromkeys((factor_text(several[0]), factor_text(several[-1]))))


def integers(values: Iterable[int], separator: str = ", ", to: str = " to ") -> str:
    """``5``, ``6 to 11``, ``5, 7`` for ascending integers; three or more consecutive ones become a range."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return separator.join(f"{run[0]}{to}{run[-1]}" if len(run) > 2 else separator.join(map(str, run)) for run in runs)


def options_text(options: object) -> str:
    """A mapping as ``key=value, key=value``; any other value as its ``str``."""
    return ", ".join(f"{key}={value}" for key, value in options.items()) if isinstance(options, dict) else str(options)
