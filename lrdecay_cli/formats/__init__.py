"""Output formats by name. A format is a module with ``render(report, canvas)``, imported when asked for.

It gives text, or bytes where it is a picture of pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, overload

from lrdecay_cli.domain.errors import LrdecayError, not_one_of
from lrdecay_cli.formats.canvas import Canvas
from lrdecay_cli.text.counting import listed

if TYPE_CHECKING:
    # For --help and the shell's completion the names of formats are enough.
    from lrdecay_cli.domain.report import Report

FORMATS = {
    "rich": "lrdecay_cli.formats.rich_terminal",
    "text": "lrdecay_cli.formats.plain_text",
    "json": "lrdecay_cli.formats.json_document",
    "markdown": "lrdecay_cli.formats.markdown_page",
    "csv": "lrdecay_cli.formats.csv_rows",
    "python": "lrdecay_cli.formats.python_code",
    "ndjson": "lrdecay_cli.formats.ndjson_lines",
    "html": "lrdecay_cli.formats.html_page",
    "svg": "lrdecay_cli.formats.svg_chart",
    "png": "lrdecay_cli.formats.png_chart",
    "github": "lrdecay_cli.formats.github_annotations",
    "sarif": "lrdecay_cli.formats.sarif_log",
    "junit": "lrdecay_cli.formats.junit_xml",
}
ONLY_FOR = {
    "python": ("suggest",),
    "ndjson": ("scan", "merge", "check"),
    "github": ("check",),
    "sarif": ("check",),
    "junit": ("check",),
    "svg": ("schedule",),
    "png": ("schedule",),
}
"""The commands whose reports a format can write, where these are not all."""


def formats_of(command: str) -> tuple[str, ...]:
    """The formats in which a command says what it has to say: what it offers, takes and names in its help."""
    return tuple(name for name in FORMATS if command in ONLY_FOR.get(name, (command,)))


def suits(name: str, command: str) -> bool:
    """Whether a format can write what a command says; an unknown format is left for :func:`check_format` to refuse."""
    return name not in FORMATS or name in formats_of(command)


@overload
def renderer(name: Literal["text", "svg"]) -> Callable[[Report, Canvas], str]: ...


@overload
def renderer(name: str, *, where: str = "--format") -> Callable[[Report, Canvas], str | bytes]: ...


def renderer(name: str, *, where: str = "--format") -> Callable[[Report, Canvas], str | bytes]:
    """The function that writes a report in the format ``name``. Raises LrdecayError for a name that is none."""
    check_format(name, where=where)
    render: Callable[[Report, Canvas], str | bytes] = import_module(FORMATS[name]).render
    return render


def check_format(name: str, *, where: str = "--format", command: str | None = None) -> None:
    """Raise LrdecayError, with the nearest name, unless ``name`` is a format, and one of ``command`` if that is given.

    Raises it too if what the format needs is not installed.
    """
    allowed = FORMATS if command is None else formats_of(command)
    if name not in allowed:
        if name not in FORMATS:
            raise not_one_of(f"unknown format {name!r}", name, allowed, where=where)
        remedy = f"{command} writes {', '.join(allowed)}"
        raise LrdecayError(f"{name} is for {listed(ONLY_FOR[name])}", where=where, remedy=remedy)
    if name == "html" and find_spec("jinja2") is None:
        raise LrdecayError("html needs Jinja2", where=where, remedy='pip install "lrdecay-cli[html]"')
    if name == "png" and find_spec("matplotlib") is None:
        raise LrdecayError("png needs matplotlib", where=where, remedy='pip install "lrdecay-cli[plot]", or use svg')


__all__ = ["FORMATS", "Canvas", "check_format", "formats_of", "renderer", "suits"]
