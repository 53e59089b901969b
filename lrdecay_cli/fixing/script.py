"""Replace parts of a config file's text, and keep every other character.

Python's own parser (``ast``) gives the positions. A library for concrete syntax trees is not needed to edit entries of
dicts and lists: libcst 1.9 takes 0.3 s to import and 18 MB to install.
"""

from __future__ import annotations

import ast
import bisect
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lrdecay_cli.domain.fix import Keys
from lrdecay_cli.domain.origins import Place
from lrdecay_cli.fixing.literals import WIDTH, is_word, python_literal
from lrdecay_cli.origins.lazy_style import is_lazy
from lrdecay_cli.origins.sources import Source, Span, substitute_templates

_OPENING = "([{"


class Splice(NamedTuple):
    """A replacement in the file: ``text`` replaces the characters from offset ``start`` to offset ``end``."""

    start: int
    end: int
    text: str


class Entry(NamedTuple):
    """An entry of a dict or list literal, with its offsets in the text."""

    key: Any
    """Key of a dict entry, or index of a list entry. None for ``**others`` and ``*others``."""
    start: int
    end: int
    """Offset after the value, before the comma."""
    key_end: int
    """Offset after the key; equal to ``start`` if the entry has no key."""
    value: ast.expr


class Display(NamedTuple):
    """A dict or list literal in the text: ``dict(...)``, ``{...}``, ``[...]`` or ``(...)``."""

    kind: str
    """``call`` for ``dict(...)``, ``dict`` for ``{...}``, ``list`` for ``[...]`` and ``(...)``."""
    inside: int
    """Offset after the opening bracket."""
    close: int
    """Offset before the closing bracket."""
    entries: list[Entry]

    def entry(self, key: Any) -> Entry | None:
        """Return the last entry with this key; None if there is none."""
        return next((each for each in reversed(self.entries) if each.key == key and type(each.key) is type(key)), None)


class Found(NamedTuple):
    """How many keys of an option's path a file contains, and the value at the last of these keys.

    For example, a file with ``model = dict(type="FasterRCNN")`` contains one key of ``model.backbone.depth``.
    """

    depth: int
    """Number of keys of the path that were found."""
    display: Display | None
    """The literal that contains the last found key; None for a top-level name."""
    entry: Entry | None
    value: ast.expr
    statement: ast.stmt | None
    """The statement that assigns the first key; None in a JSON file."""
    variables: frozenset[str]
    """Names of the variables along the path, such as ``backbone`` in ``model = dict(backbone=backbone)``."""


class Script:
    """The text of a config file.

    Args:
        path: the file.
        raw: the text with unchanged line ends.

    Raises:
        SyntaxError: the text is not valid Python.
        ValueError: the text cannot be parsed, for example because of a null character.
    """

    def __init__(self, path: Path, raw: str) -> None:
        self.path, self.raw = path, raw
        self.text = raw.replace("\r\n", "\n").replace("\r", "\n")
        self._removed = [match.start() - index for index, match in enumerate(re.finditer("\r\n", raw))]
        self._newline = "\r\n" if len(self._removed) * 2 > self.text.count("\n") else "\n"
        self.is_python = path.suffix == ".py"
        self.is_yaml = path.suffix in (".yaml", ".yml")
        self._source = Source(str(path), path, self.text)
        substitute_templates(self._source)
        # JSON is parsed as Python, where true, false and null are names.
        self._tree = ast.parse("" if self.is_yaml else self._source.text)
        self.is_lazy = self.is_python and is_lazy(self._tree)
        self._stored = [
            node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]

    def spliced(self, splices: Sequence[Splice]) -> str:
        """Return the file's text after the replacements ``splices``, which must not overlap."""
        parts, done = [], 0
        # Splices at the same offset keep their order.
        for start, end, text in sorted(splices, key=lambda splice: splice[:2]):
            parts += [self.raw[done : self._in_raw(start)], text.replace("\n", self._newline)]
            done = self._in_raw(end)
        return "".join([*parts, self.raw[done:]])

    def _in_raw(self, offset: int) -> int:
        return offset + bisect.bisect_left(self._removed, offset) if self._removed else offset

    def offsets(self, place: Place) -> tuple[int, int]:
        """Return the start and end offset of ``place``, which contains line and column numbers."""
        lines = [0, *(match.end() for match in re.finditer("\n", self.text))]
        return lines[place.line - 1] + place.column - 1, lines[place.end_line - 1] + place.end_column - 1

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        """Return the start and end offset of an ``ast`` node in the text."""
        span: Span = self._source.span(node)
        return self._source.in_file(span.start, span.end)

    def assigns(self, name: str) -> bool:
        """Return True if the file assigns this name anywhere."""
        return name in self._stored

    def find(self, keys: Keys) -> Found | None:
        """Return how many keys of the path ``keys`` the file contains, and the value at the last of these keys.

        The search follows variables, dict literals and list literals. Returns None if the file does not assign the
        first key.
        """
        statement: ast.stmt | None = None
        if self.is_python:
            found = self._assigned(str(keys[0]))
            if found is None:
                return None
            statement, value = found
            result = Found(1, None, None, value, statement, frozenset())
        elif self._tree.body and isinstance(self._tree.body[0], ast.Expr):
            result = Found(0, None, None, self._tree.body[0].value, None, frozenset())
        else:
            return None
        while result.depth < len(keys):
            value, variables = self._resolved(result.value, result.variables)
            display = self.display(value)
            entry = display.entry(keys[result.depth]) if display else None
            if display is None or entry is None:
                return result._replace(value=value, variables=variables)
            result = Found(result.depth + 1, display, entry, entry.value, statement, variables)
        return result

    def _assigned(self, name: str) -> tuple[ast.stmt, ast.expr] | None:
        for statement in reversed(self._tree.body):
            match statement:
                case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                    return statement, value
        return None

    def _resolved(self, value: ast.expr, variables: frozenset[str]) -> tuple[ast.expr, frozenset[str]]:
        """Return the expression that is assigned to the variable ``value``, and ``variables`` with the variable's name.

        If this expression is a variable too, it is followed in the same way. The result is ``value`` and ``variables``
        if ``value`` is not a variable, or if the file assigns the variable several times.
        """
        while isinstance(value, ast.Name) and value.id not in variables and self._stored.count(value.id) == 1:
            found = self._assigned(value.id)
            if found is None:
                break
            variables |= {value.id}
            value = found[1]
        return value, variables

    def display(self, node: ast.expr) -> Display | None:
        """Return the dict or list literal at a node; None for any other expression."""
        start, end = self.span(node)
        parts: list[tuple[Any, ast.expr | ast.keyword | None, ast.expr]]
        match node:
            case ast.Call(func=ast.Name(id="dict"), args=positional, keywords=keywords):
                kind, start = "call", self.span(node.func)[1]
                parts = [
                    *((None, None, each) for each in positional),
                    *((each.arg, each, each.value) for each in keywords),
                ]
            case ast.Dict(keys=names, values=values):
                kind = "dict"
                parts = [
                    (name.value if isinstance(name, ast.Constant) else None, name, value)
                    for name, value in zip(names, values, strict=True)
                ]
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                kind = "list"
                starred = next((i for i, each in enumerate(elements) if isinstance(each, ast.Starred)), len(elements))
                parts = [(index if index < starred else None, None, each) for index, each in enumerate(elements)]
            case _:
                return None
        if self.text[start : start + 1] not in _OPENING or not self.text[end - 1 : end].endswith((")", "]", "}")):
            return None  # a tuple without brackets, or the result of a template
        inside, close = start + 1, end - 1
        entries: list[Entry] = []
        begin = inside
        for position, (key, name, value) in enumerate(parts):
            begin = self._code(begin, close)
            value_end = self.span(value)[1]
            following = self.span(parts[position + 1][2])[0] if position + 1 < len(parts) else close
            comma = self._comma(value_end, following)
            stop = comma if comma is not None else following if position + 1 < len(parts) else close
            key_end = begin
            if isinstance(name, ast.keyword) and name.arg:
                key_end = begin + len(name.arg)
            elif isinstance(name, ast.expr):
                key_end = self.span(name)[1]
            entries.append(Entry(key, begin, self._code_end(value_end, stop), key_end, value))
            begin = stop + 1
        return Display(kind, inside, close, entries)

    def _code(self, start: int, stop: int) -> int:
        """Return the first offset between ``start`` and ``stop`` that is neither blank nor in a comment."""
        match = re.compile(r"(?:\s|#[^\n]*)*").match(self.text, start, stop)
        return match.end() if match else start

    def _code_end(self, start: int, stop: int) -> int:
        """Return the offset after the last closing bracket that follows an expression.

        ``start`` is the end of the expression, and ``stop`` is where the search ends.
        """
        brackets = [start]
        at = start
        while (at := self._code(at, stop)) < stop:
            at += 1
            brackets.append(at)
        return brackets[-1]

    def _comma(self, start: int, stop: int) -> int | None:
        at = start
        while (at := self._code(at, stop)) < stop:
            if self.text[at] == ",":
                return at
            if self.text[at] != ")":
                return None
            at += 1
        return None

    def value_text(self, value: Any, *, indent: str = "", column: int = 0) -> str:
        """Return a value as source text in the syntax of this file (Python or JSON), on one line if it is short."""
        if self.is_python:
            return python_literal(value, indent=indent, column=column)
        return json.dumps(value, ensure_ascii=False)

    def replaced(self, node: ast.expr, value: Any) -> Splice | None:
        """Return a splice that replaces an expression by a value; None if that would delete comments."""
        return self.replaced_at(self.span(node), value)

    def replaced_at(self, span: tuple[int, int], value: Any) -> Splice | None:
        """Return a splice that replaces a range of the text by a value; None if that would delete comments."""
        start, end = span
        old = self.text[start:end]
        if "#" in old and "\n" in old:
            return None
        text = self.value_text(value)
        if self.is_python and isinstance(value, str) and old.startswith('"') and '"' not in text:
            text = f'"{text[1:-1]}"' if "\\" not in text else text
        return Splice(start, end, text)

    def renamed(self, display: Display, entry: Entry, name: str) -> Splice | None:
        """Return a splice that changes the key of an entry."""
        start, end = entry.start, entry.key_end
        if display.kind == "call":
            if is_word(name):
                return Splice(start, end, name)
            value = self.text[self.span(entry.value)[0] : entry.end]
            return Splice(start, entry.end, f"**{{{name!r}: {value}}}")
        return Splice(start, end, self._quoted(name, like=self.text[start:end]))

    def _quoted(self, name: str, like: str) -> str:
        if not self.is_python or (like.startswith('"') and '"' not in name and "\\" not in repr(name)):
            return json.dumps(name, ensure_ascii=False)
        return repr(name)

    def inserted(self, display: Display, items: Sequence[tuple[Any, Any]], *, text: str = "") -> list[Splice]:
        """Return splices that add entries at the end of a literal, with the layout of its last entry.

        Args:
            display: the literal.
            items: keys and values of the entries. If the literal is a list, the keys are ignored.
            text: source text of the value of a single item, if known.
        """
        last = display.entries[-1] if display.entries else None
        line_start = self.text.rfind("\n", 0, last.start if last else display.inside) + 1
        blank = re.match(r"[ \t]*", self.text[line_start:])
        indent = blank[0] if blank else ""
        like = self.text[last.start : last.key_end] if last else ""
        parts = [self._entry_text(display.kind, key, value, indent, like, text) for key, value in items]
        if last is None:
            return [Splice(display.close, display.close, ", ".join(parts))]
        comma = self._comma(last.end, display.close)
        at = last.end if comma is None else comma + 1
        first, final = ("," if comma is None else ""), ("" if comma is None else ",")
        line_end = self.text.find("\n", at)
        line_end = len(self.text) if line_end < 0 else line_end
        rest = self.text[at:line_end].strip()
        own_line = not self.text[line_start : last.start].strip()
        if own_line and (not rest or rest.startswith("#")) and line_end < display.close:
            lines = "".join(f"\n{indent}{part}," for part in parts)
            return [Splice(at, at, first), Splice(line_end, line_end, lines if final else lines[:-1])]
        if not own_line:
            one_line = f"{first} {', '.join(parts)}"
            if line_end - line_start + len(one_line) <= WIDTH:
                return [Splice(at, at, one_line)]
            indent += "    "
        lines = f",\n{indent}".join(parts)
        return [Splice(at, at, f"{first}\n{indent}{lines}{final}")]

    def _entry_text(self, kind: str, key: Any, value: Any, indent: str, like: str, text: str) -> str:
        head, tail = "", ""
        if kind == "call":
            head, tail = (f"{key}=", "") if is_word(key) else (f"**{{{key!r}: ", "}")
        elif kind == "dict":
            head = f"{self._quoted(key, like)}: "
        return head + (text or self.value_text(value, indent=indent, column=len(indent) + len(head))) + tail

    def inserted_first(self, display: Display, key: str, value: Any) -> list[Splice]:
        """Return splices that add an entry at the beginning of a literal."""
        if not display.entries:
            return self.inserted(display, [(key, value)])
        first = display.entries[0]
        head = f"{key}=" if display.kind == "call" else f"{self._quoted(key, self.text[first.start : first.key_end])}: "
        own_line = not self.text[self.text.rfind("\n", 0, first.start) + 1 : first.start].strip()
        blank = self.text[self.text.rfind("\n", 0, first.start) + 1 : first.start]
        gap = f"\n{blank}" if own_line else " "
        return [Splice(first.start, first.start, f"{head}{self.value_text(value)},{gap}")]

    def deleted(self, display: Display, entry: Entry) -> Splice:
        """Return a splice that removes an entry with its comma, and its whole line if nothing else is on it."""
        comma = self._comma(entry.end, display.close)
        end = entry.end if comma is None else comma + 1
        line_start = self.text.rfind("\n", 0, entry.start) + 1
        line_end = self.text.find("\n", end)
        line_end = len(self.text) if line_end < 0 else line_end
        rest = self.text[end:line_end].strip()
        own_line = not self.text[line_start : entry.start].strip()
        if own_line and (not rest or rest.startswith("#")) and line_end < display.close:
            return Splice(line_start, line_end + 1, "")
        if comma is not None and self._code(end, display.close) < display.close:
            blanks = re.compile(r"[ \t]*(?:\n[ \t]*)?").match(self.text, end)
            return Splice(entry.start, blanks.end() if blanks and not rest.startswith("#") else end, "")
        previous = next((each for each in reversed(display.entries) if each.start < entry.start), None)
        before = self.text[previous.end : entry.start] if previous else ""
        if previous is None or "#" in before:
            return Splice(entry.start, end, "")
        return Splice(previous.end, end, "")

    def without_statement(self, statement: ast.stmt) -> Splice | None:
        """Return a splice that removes a statement with its lines; None if another statement is on one of its lines."""
        start, end = self.span(statement)
        line_start = self.text.rfind("\n", 0, start) + 1
        line_end = self.text.find("\n", end)
        line_end = len(self.text) if line_end < 0 else line_end
        rest = self.text[end:line_end].strip()
        if self.text[line_start:start].strip() or (rest and not rest.startswith("#")):
            return None
        return Splice(line_start, min(line_end + 1, len(self.text)), "")

    def renamed_statement(self, statement: ast.stmt, name: str) -> Splice | None:
        """Return a splice that renames the variable of a top-level assignment; None for other statements."""
        match statement:
            case ast.Assign(targets=[ast.Name() as target]) if name.isidentifier():
                return Splice(*self.span(target), name)
        return None

    def statement_at(self, offset: int) -> ast.stmt | None:
        """Return the top-level statement that contains an offset."""
        return next((each for each in self._tree.body if self.span(each)[0] <= offset < self.span(each)[1]), None)

    def appended(self, statement: str) -> Splice:
        """Return a splice that adds a statement at the end of the file."""
        end = len(self.text)
        gap = "" if not self.text or self.text.endswith("\n") else "\n"
        return Splice(end, end, f"{gap}{statement}\n")
