"""Breaking long text where it reads best: at blanks, else behind the dots of a name, and within a word at last."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len, get_character_cell_size

# Where a line may end, best first, and how much of the line must be used for that. Not within 0.1, not in front of the
# star of a pattern, which says nothing by itself.
_ENDS = (
    (re.compile(" "), 1 / 3),
    (re.compile("/"), 1 / 3),
    (re.compile(r"(?:,|(?<!\d)\.|\.(?!\d))(?!\*)"), 1 / 3),
    (re.compile(r"[({\[=:|&?)}\]](?![,.)\]])"), 1 / 3),
    (re.compile(r"[-_]|[a-z](?=[A-Z])"), 1 / 2),
)
LEAST = 10
"""Cells of a line, however narrow the terminal is."""


def folded(text: str, width: int) -> list[str]:
    """The lines of ``text``, of at most ``width`` cells; blanks at their ends are left out, and nothing else is."""
    lines = []
    while cell_len(text) > width and len(text) > 1:
        end = _end(text, _room(text, width))
        lines.append(text[:end].rstrip(" "))
        text = text[end:].lstrip(" ")
    return [*lines, text]


def indented(text: str, width: int, indent: int) -> Iterator[str]:
    """The lines of ``text`` behind ``indent`` blanks, those after the first two cells further in."""
    for number, line in enumerate(folded(text, max(LEAST, width - indent - 2))):
        yield f"{' ' * (indent + 2 * (number > 0))}{line}"


def _room(text: str, width: int) -> int:
    """How many characters of ``text`` fit into ``width`` cells, one at least."""
    if text.isascii():
        return max(1, width)
    used = 0
    for count, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width:
            return max(1, count)
    return len(text)


def _end(text: str, most: int) -> int:
    """Behind which of the first ``most`` characters to break."""
    if text[most] == " ":
        # It is left out.
        return most
    for mark, least in _ENDS:
        # One character more, for what must not follow.
        ends = [found.end() for found in mark.finditer(text, 0, most + 1) if found.end() <= most]
        if ends and ends[-1] > most * least:
            return ends[-1]
    return most
