"""Breaking long text where it reads best: at blanks, else behind the dots of a name, and within a word at last."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, get_character_cell_size

# Where a line may end, best first, and how much of the line must be used for that.
_ENDS = ((" ", 1 / 3), ("/", 1 / 3), (".,", 1 / 2), ("_-:=|&?)}]", 1 / 2))

# However narrow the terminal is.
_LEAST = 10


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
    for number, line in enumerate(folded(text, max(_LEAST, width - indent - 2))):
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
    for marks, least in _ENDS:
        # A blank behind the last character is left out.
        end = max(text.rfind(mark, 0, most + (mark == " ")) for mark in marks) + 1
        if text[end : end + 1] == "*":
            # The star of a pattern says nothing by itself.
            end = max(text.rfind(mark, 0, end - 1) for mark in marks) + 1
        if end > most * least:
            return end
    return most
