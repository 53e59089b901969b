"""The text of a config file, before and after the substitution of mmengine's templates.

A range of the substituted text can be converted to lines and columns of the file.
"""

from __future__ import annotations

import ast
import bisect
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.origins import Place

_LONGEST = 2**21
_LONGEST_SHOWN = 120


class Span(NamedTuple):
    """A range of characters in the text of a file. The offsets count in the text after templates are substituted."""

    source: Source
    start: int
    end: int

    def place(self) -> Place:
        """Return the lines and columns of the range in the file."""
        return self.source.place(*self.source.in_file(self.start, self.end))

    def text(self) -> str:
        """Return the text of the range in the file, on one line. A long text is shortened."""
        start, end = self.source.in_file(self.start, self.end)
        text = " ".join(self.source.original[start:end].split())
        return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


class Source:
    """The text of a config file, before and after mmengine's templates (``{{ … }}``) are substituted.

    Attributes:
        shown: name of the file in messages.
        path: path of the file.
        original: content of the file.
        text: the content after the templates are substituted. mmengine parses this text.
        placeholders: maps each string that replaces a template ``{{_base_.x}}`` to the path ``x``.
        templates: start and end of each template in ``original``, and the name in the template.
    """

    def __init__(self, shown: str, path: Path, text: str) -> None:
        self.shown, self.path = shown, path
        self.original = self.text = text
        self.placeholders: dict[str, str] = {}
        self.templates: list[tuple[int, int, str]] = []
        # For each character of the text, the start and end of its source; None if the text is unchanged.
        self._begins: list[int] | None = None
        self._ends: list[int] = []
        self._lines = _line_starts(text)
        self._parsed_lines = self._lines

    def place(self, start: int, end: int) -> Place:
        """Return the lines and columns of a range of characters of the file."""
        line, end_line = (bisect.bisect_right(self._lines, offset) for offset in (start, end))
        return Place(self.shown, line, start - self._lines[line - 1] + 1, end_line, end - self._lines[end_line - 1] + 1)

    def in_file(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the file from which a range of the substituted text comes."""
        if self._begins is None or start >= len(self._begins):
            return start, end
        return self._begins[start], self._ends[max(start, end - 1)]

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.alias) -> Span:
        """Return the range of a node of the syntax tree in the substituted text."""
        end = self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        return Span(self, self._offset(node.lineno, node.col_offset), end)

    def _offset(self, line: int, column: int) -> int:
        begin, end = self._parsed_lines[line - 1 : line + 1]
        text = self.text[begin:end]
        # ast counts bytes of UTF-8.
        return begin + (column if text.isascii() else len(text.encode()[:column].decode(errors="replace")))

    def substitute(self, pattern: str, replacement: Callable[[re.Match[str]], str], name: str) -> None:
        r"""Replace each match of ``pattern`` in ``text``, and record its range and its name in ``templates``.

        The recorded name is ``match.expand(name)``: if ``name`` is ``\1``, it is the text of the pattern's first group.
        """
        matches = list(re.finditer(pattern, self.text))
        if not matches:
            return
        if self._begins is None:
            self._begins, self._ends = list(range(len(self.text))), list(range(1, len(self.text) + 1))
        parts, begins, ends, done = [], [], [], 0
        for match in matches:
            start, end = self.in_file(*match.span())
            text = replacement(match)
            parts += [self.text[done : match.start()], text]
            begins += [*self._begins[done : match.start()], *itertools.repeat(start, len(text))]
            ends += [*self._ends[done : match.start()], *itertools.repeat(end, len(text))]
            self.templates.append((start, end, match.expand(name)))
            done = match.end()
        self.text = "".join([*parts, self.text[done:]])
        self._begins, self._ends = begins + self._begins[done:], ends + self._ends[done:]
        self._parsed_lines = _line_starts(self.text)


def _line_starts(text: str) -> list[int]:
    # Unlike str.splitlines: Python's parser breaks lines only here, and files are read with universal newlines.
    return [0, *(match.end() for match in re.finditer("\n", text)), len(text)]


def read_source(shown: str, path: Path) -> Source:
    """Return the text of a config file.

    Raises:
        LrdecayError: the file cannot be read.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise LrdecayError(f"the file is larger than {_LONGEST >> 20} MiB", where=shown)
        return Source(shown, path, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LrdecayError(f"cannot read: {error.strerror or error}", where=shown) from error
    except UnicodeDecodeError as error:
        raise LrdecayError("the file is not UTF-8 text", where=shown) from error


def substitute_templates(source: Source) -> None:
    """Replace mmengine's templates in the text of a config: ``{{ fileDirname }}``, ``{{$NAME:default}}``,
    ``{{_base_.x}}`` and others.

    Source: mmengine 0.10.7, ``Config._substitute_predefined_vars``, ``_substitute_env_variables`` and
    ``_pre_substitute_base_vars``.

    Raises:
        LrdecayError: an environment variable without a default is not set.
    """
    if "{{" not in source.text:
        return
    file = os.path.abspath(source.path.expanduser())  # noqa: PTH100 (a link counts where it lies)
    stem, suffix = os.path.splitext(os.path.basename(file))  # noqa: PTH119, PTH122
    names = {
        "fileDirname": os.path.dirname(file),  # noqa: PTH120
        "fileBasename": stem + suffix,
        "fileBasenameNoExtension": stem,
        "fileExtname": suffix,
    }
    for name, value in names.items():
        source.substitute(rf"\{{\{{\s*{name}\s*\}}\}}", lambda _, value=value: value, name)  # type: ignore[misc]
    source.substitute(
        r"\{\{['\"]?\s*\$(\w+)\s*\:\s*(\S*?)\s*['\"]?\}\}", lambda match: _variable(source, match), r"$\1"
    )
    source.substitute(r"\{\{\s*_base_\.([\w\.]+)\s*\}\}", lambda match: _placeholder(source, match[1]), r"_base_.\1")


def _variable(source: Source, match: re.Match[str]) -> str:
    value = os.environ.get(match[1], match[2])
    if not value:
        place = source.place(*source.in_file(*match.span()))
        raise LrdecayError(f"the environment variable {match[1]} is not set", where=str(place), fix=f"set {match[1]}")
    return value


def _placeholder(source: Source, path: str) -> str:
    # mmengine's placeholder has a random part, so that no other string equals it.
    name = f"_{path}_\N{BULLET}"
    source.placeholders[name] = path
    return f'"{name}"'
