"""Suggest similar names for a misspelt name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lrdecay_cli.text.counting import either

_MOST = 3
# In longer names, the letters of almost any word occur in the right order.
_SHORT = 16
_WORDS = re.compile(r"[^a-z0-9]+")


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return ``did you mean lr_scale?`` with up to three similar names; empty if no name is similar to ``word``."""
    return question(similar_names(word, names))


def question(found: Sequence[str]) -> str:
    """Return ``did you mean A, B or C?``; an empty string if ``found`` is empty."""
    return f"did you mean {either(found)}?" if found else ""


def as_key(name: str) -> str:
    """Return a name as a key: ``weight_decay`` for ``Weight decay`` and ``weight-decay``."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def similar_names(word: str, names: Iterable[str]) -> list[str]:
    """Return up to three of ``names`` that are similar to ``word``, the most similar first; empty if none is similar.

    The following tests are tried in this order. The first test with a result decides. A name is similar if ``word``

    - is equal to the name except for case, hyphens, blanks or a plural (``LR-scales`` for ``lr_scale``),
    - is the start of the name, or whole words in the name (``scale``),
    - is the initials of the name (``wd`` for ``weight_decay``),
    - has at most one typing error for every three characters (``lr_scael``),
    - is an abbreviation of the name (``params`` for ``parameters``).
    """
    typed = _words(word)
    spelled = [(name, _words(name)) for name in dict.fromkeys(names)] if typed else []
    found = next(filter(None, _kinds(typed, spelled)), [])
    return list(dict.fromkeys(found))[:_MOST]


def nearest(word: str, names: Iterable[str], *, likeness: float = 0.75) -> str | None:
    """Return the name most similar to ``word``, ignoring case; None if no name is similar enough.

    Args:
        word: the typed word.
        names: all known names.
        likeness: the minimum similarity from 0 to 1, as in :func:`difflib.get_close_matches`.
    """
    import difflib

    lower = {name.lower(): name for name in reversed(list(names))}
    found = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=likeness)
    return lower[found[0]] if found else None


def _kinds(typed: str, spelled: Sequence[tuple[str, str]]) -> Iterator[list[str]]:
    singular = typed.removesuffix("s") or typed
    yield [name for name, words in spelled if words == typed]
    yield [name for name, words in spelled if words.removesuffix("s") == singular]
    begun = [name for name, words in spelled if words.startswith(typed)]
    within = [name for name, words in spelled if f" {singular} " in f" {words} ".replace("s ", " ")]
    yield [*sorted(begun, key=len), *sorted(within, key=len)]
    yield [name for name, words in spelled if "".join(part[0] for part in words.split()) == typed]
    yield _slips(typed, spelled)
    yield [name for name, words in spelled if len(words) <= _SHORT and _abbreviates(singular, words)]


def _words(name: str) -> str:
    """Return the words of a name in lower case, with a blank between them: ``lr scale`` for ``lr_scale``."""
    return _WORDS.sub(" ", name.lower()).strip()


def _slips(typed: str, spelled: Iterable[tuple[str, str]]) -> list[str]:
    import difflib

    by_words = {words: name for name, words in reversed(list(spelled))}
    near = difflib.get_close_matches(typed, by_words, n=_MOST)
    # difflib also rates words as similar that merely share letters, such as name and renamed.
    edits = {words: _edits(typed, words) for words in near}
    least = min(edits.values(), default=0)
    return [by_words[words] for words in near if edits[words] == least <= max(1, len(typed) // 3)]


def _abbreviates(typed: str, words: str) -> bool:
    """Return True if all letters of ``typed`` occur in ``words`` in this order, beginning with the first letter."""
    rest = iter(words)
    return len(typed) > 1 and words[:1] == typed[0] and all(letter in rest for letter in typed)


def _edits(first: str, other: str) -> int:
    """Return the least number of insertions, deletions, replacements and swaps of neighbours between two words."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(first, 1):
        before, last, row = row, before, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and first[i - 2] == right:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
