"""Assemble an HTML page from its parts, style, scripts and data.

The page is one file. It can be opened from disk and printed, and it never uses the network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lrdecay_cli.domain.report import AnyResult, Table
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.html_page.parts import page_of
from lrdecay_cli.formats.palette import ScaleRange, ramp, range_of_tables, style_sheet
from lrdecay_cli.formats.values import (
    bar_length,
    cell_text,
    full,
    is_number,
    printable,
)

_PACKAGE = "lrdecay_cli.formats.html_page"
_STYLES = ("base", "layout", "tables")
_SCRIPTS = ("elements", "theme", "patterns", "tables")
# Dependencies between scripts; a page contains those that its parts need.
_SCRIPT_ORDER = (
    *_SCRIPTS,
    *("parameter_data", "dialog", "provenance", "axes", "picture_drawing", "picture", "tree", "groups", "notes"),
    *("parameters", "changes", "findings", "configs", "chart", "copy"),
)


class Cell(NamedTuple):
    """A table cell with its text, sort key, bar and colour, ready for the HTML template."""

    text: str
    kind: str
    value: str
    """Sort key of a number; empty if the text itself is the sort key."""
    guide: str = ""
    """Lines of the tree that are drawn before the text."""
    bar: float = 0.0
    """Length of the bar for an lr scale, in percent."""
    color: str = ""


def render(result: AnyResult, canvas: Canvas) -> str:
    """Return the result as an HTML page. The page is ASCII, so it can be written to a pipe with any encoding.

    Only ``canvas.reloads`` is used. Names in the result may contain any characters.
    """
    page = page_of(result)
    environment = Environment(
        loader=PackageLoader(_PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # A name that does not fit on a line breaks after its dots first.
    environment.filters.update(
        printable=printable,
        full=full,
        cells=partial(_cells, result.report.tables, range_of_tables(result.report.tables)),
        breakable=lambda name: Markup(".<wbr>").join(name.split(".")),
    )
    styles = (*_STYLES, *(name for part in page.parts for name in part.styles), "print")
    style = "\n".join((style_sheet(), *_assets("style", "css", styles)))
    wanted = sorted({*_SCRIPTS, *(name for part in page.parts for name in part.scripts)}, key=_SCRIPT_ORDER.index)
    code = "\n".join(_assets("scripts", "js", wanted))
    script = f'(() => {{\n"use strict";\n{code}}})();\n'
    reload = _assets("scripts", "js", ["reload"])[0] if canvas.reloads else ""
    sources = " ".join(f"'{_hash(each)}'" for each in (script, reload) if each)
    text = environment.get_template("page.html").render(
        page=page,
        report=result.report,
        scripts=wanted,
        contexts={part.name: part.context(result) for part in page.parts},
        # Trusted input: lrdecay's own files, and JSON without characters of markup.
        style=Markup(style),
        script=Markup(script),
        data=Markup(script_json({part.name: part.data(result) for part in page.parts if part.data})),
        policy=(
            f"default-src 'none'; style-src '{_hash(style)}'; script-src {sources}; "
            f"{'frame-src file: http: https:; ' if reload else ''}base-uri 'none'; form-action 'none'"
        ),
        reload=Markup(reload),
    )
    if reload:
        # Identifies the content: the same page keeps its id.
        text = text.replace('data-build=""', f'data-build="{hashlib.sha256(text.encode()).hexdigest()[:32]}"', 1)
    # Scripts, style and data are ASCII already; character references would not work there.
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def script_json(value: Any) -> str:
    r"""Return ``value`` as JSON for a ``<script type="application/json">`` element.

    The text is ASCII, with ``\u`` escapes for ``<``, ``>`` and ``&``. JSON cannot contain NaN or infinity,
    so these numbers become the strings ``nan``, ``inf`` and ``-inf``.
    """
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _assets(folder: str, ending: str, names: Iterable[str]) -> list[str]:
    root = files(_PACKAGE)
    return [(root / folder / f"{name}.{ending}").read_text(encoding="ascii") for name in dict.fromkeys(names)]


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _cells(together: Sequence[Table], common: ScaleRange, table: Table) -> list[list[Cell]]:
    """Return the cells of ``table``. All tables in ``together`` have the same scale ``common`` for their bars."""
    columns = table.columns
    scales = common if any(table is each for each in together) else range_of_tables((table,))

    def cell(index: int, value: Any) -> Cell:
        kind = columns[index].kind
        guide = getattr(value, "guide", "")
        text = printable(value.label) if guide or kind == "tree" else cell_text(value, kind)
        sorted_by = repr(value) if is_number(value) else ""
        if kind != "scale" or not is_number(value):
            return Cell(text, kind, sorted_by, guide)
        return Cell(text, kind, sorted_by, "", bar_length(value, scales.full, 100), ramp(value, scales.lowest))

    return [[cell(index, value) for index, value in enumerate(row)] for row in table.rows]
