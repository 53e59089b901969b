"""The names that somebody may have meant who typed another one: for every place where a name is typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lrdecay_cli.text.counting import either

_MOST = 3
# In a longer name the letters of almost any word stand somewhere.
_SHORT = 16
_WORDS = re.compile(r"[^a-z0-9]+")


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """``did you mean lr_scale?``, with up to three names; empty if none of ``names`` is like ``word``."""
    return question(meant(word, names))


def question(found: Sequence[str]) -> str:
    """``did you mean A, B or C?``; empty for nothing."""
    return f"did you mean {either(found)}?" if found else ""


def as_key(name: str) -> str:
    """``Weight decay`` and ``weight-decay`` as ``weight_decay``."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def meant(word: str, names: Iterable[str]) -> list[str]:
    """Up to three of ``names`` that ``word`` may stand for, the likeliest first; empty if none is like it.

    Of the first kind that there is: the same but for case, hyphens and blanks, or but for a plural; the word begins
    the name, or stands in it as whole words (``scale`` in ``lr_scale``); it is its initials (``wd``); a slip of the
    hand, which is an edit for every three characters; an abbreviation (``params``).
    """
    typed = _words(word)
    spelled = [(name, _words(name)) for name in dict.fromkeys(names)] if typed else []
    found = next(filter(None, _kinds(typed, spelled)), [])
    return list(dict.fromkeys(found))[:_MOST]


def nearest(word: str, names: Iterable[str], *, likeness: float = 0.75) -> str | None:
    """The name that is most like ``word``, whatever the case of both; None if none is.

    Args:
        word: what was typed.
        names: all that there are.
        likeness: the least of it, from 0 to 1, as of :func:`difflib.get_close_matches`.
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
    """Lower case, with a blank for whatever is neither a letter nor a digit."""
    return _WORDS.sub(" ", name.lower()).strip()


def _slips(typed: str, spelled: Iterable[tuple[str, str]]) -> list[str]:
    import difflib

    by_words = {words: name for name, words in reversed(list(spelled))}
    near = difflib.get_close_matches(typed, by_words, n=_MOST)
    # It takes words that share their letters for like ones, name and renamed.
    edits = {words: _edits(typed, words) for words in near}
    least = min(edits.values(), default=0)
    return [by_words[words] for words in near if edits[words] == least <= max(1, len(typed) // 3)]


def _abbreviates(typed: str, words: str) -> bool:
    """Whether the letters stand in ``words`` in this order, the first one in front."""
    rest = iter(words)
    return len(typed) > 1 and words[:1] == typed[0] and all(letter in rest for letter in typed)


def _edits(one: str, other: str) -> int:
    """How many characters must be put in, left out, replaced or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
