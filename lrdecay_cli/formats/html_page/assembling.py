"""Putting a page together: parts, style and scripts into one file that may load nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lrdecay_cli.domain.report import Column, Report
from lrdecay_cli.formats.html_page.embedding import script_json
from lrdecay_cli.formats.html_page.parts import Page
from lrdecay_cli.formats.html_page.values import full, is_number, lowest_scale, ramp
from lrdecay_cli.formats.numbers import bar_length, cell_text, full_scale, printable

_PACKAGE = "lrdecay_cli.formats.html_page"
_STYLES = ("base", "layout", "tables")
_SCRIPTS = ("elements", "theme", "patterns", "tables")
# What builds on what; a page has those that its parts ask for.
_SCRIPT_ORDER = (
    *_SCRIPTS,
    *("parameter_data", "dialog", "provenance", "axes", "picture_drawing", "picture", "tree", "groups", "notes"),
    *("parameters", "changes", "findings", "configs", "chart"),
)


class Cell(NamedTuple):
    """A cell of a table, ready for the page."""

    text: str
    kind: str
    value: str
    """What a number is sorted by; empty for what is sorted by its text."""
    guide: str = ""
    """What leads to a branch of a tree."""
    bar: float = 0.0
    """Length of the bar of an lr scale in percent."""
    color: str = ""


def assembled(page: Page, report: Report) -> str:
    """The whole page. Raises nothing that a hostile name could provoke."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(printable=printable, full=full, cells=_cells, breakable=_breakable)
    style = "\n".join(
        _assets("style", "css", (*_STYLES, *(name for part in page.parts for name in part.styles), "print"))
    )
    wanted = sorted({*_SCRIPTS, *(name for part in page.parts for name in part.scripts)}, key=_SCRIPT_ORDER.index)
    code = "\n".join(_assets("scripts", "js", wanted))
    script = f'(() => {{\n"use strict";\n{code}}})();\n'
    text = environment.get_template("page.html").render(
        page=page,
        report=report,
        scripts=wanted,
        contexts={part.name: part.context(report) for part in page.parts},
        # Our own files, and JSON without a character of markup.
        style=Markup(style),
        script=Markup(script),
        data=Markup(script_json({part.name: part.data(report) for part in page.parts if part.data})),
        policy=(
            f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
    )
    # Scripts, style and data are ASCII already: character references would mean nothing there.
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _assets(folder: str, ending: str, names: Iterable[str]) -> list[str]:
    root = files(_PACKAGE)
    return [(root / folder / f"{name}.{ending}").read_text(encoding="ascii") for name in dict.fromkeys(names)]


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _breakable(name: str) -> Markup:
    """A name that is broken behind its dots first, where it does not fit on a line."""
    return Markup(".<wbr>").join(name.split("."))


def _cells(rows: Iterable[tuple[Any, ...]], columns: tuple[Column, ...]) -> list[list[Cell]]:
    """The rows of a table, each a list of cells."""
    rows = list(rows)
    scales = {index: [row[index] for row in rows] for index, column in enumerate(columns) if column.kind == "scale"}
    lowest = {index: lowest_scale(values) for index, values in scales.items()}
    longest = {index: full_scale(values) for index, values in scales.items()}

    def cell(index: int, value: Any) -> Cell:
        kind = columns[index].kind
        guide = getattr(value, "guide", "")
        text = printable(value.label) if guide or kind == "tree" else cell_text(value, kind)
        sorted_by = repr(value) if is_number(value) else ""
        if index not in scales or not is_number(value):
            return Cell(text, kind, sorted_by, guide)
        return Cell(text, kind, sorted_by, "", bar_length(value, longest[index], 100), ramp(value, lowest[index]))

    return [[cell(index, value) for index, value in enumerate(row)] for row in rows]
