"""Output formats. Each format has an entry in ``FORMATS``, and a function in a module that is imported on demand."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple

from lrdecay_cli.domain.errors import LrdecayError, not_one_of
from lrdecay_cli.text.counting import listed

if TYPE_CHECKING:
    # --help and the shell's completion only need the names of formats.
    from lrdecay_cli.domain.report import AnyResult


# Not msgspec records: --help lists the formats and works without msgspec.
class Canvas(NamedTuple):
    """Properties of the terminal, pipe or file to which a report is written."""

    width: int | None = None
    """Width of the terminal in characters. None without a terminal: lines are then not wrapped."""
    color: bool = False
    path: str | None = None
    """The output file; None for stdout."""
    reloads: bool = False
    """True with ``--watch``: an HTML page then reloads itself in the browser after each new report."""


class Format(NamedTuple):
    """An output format: the function that writes it, and the commands that support it."""

    function: str
    """The function as ``module:function``. It returns text, or bytes for a PNG image."""
    reads: Literal["report", "document", "result"]
    """Which arguments the function gets.

    ``document``: the document of the result. ``report``: the report of the result, and a :class:`Canvas`. ``result``:
    the whole result, and a :class:`Canvas`.
    """
    commands: tuple[str, ...] = ()
    """The commands that support the format; empty for all commands."""
    needs: tuple[str, str, str] | None = None
    """The optional package that the format needs: its import name, its name in messages, and a fix that installs it."""


FORMATS = {
    "rich": Format("rich_terminal:render", "report"),
    "text": Format("plain_text:render", "report"),
    "json": Format("data:json_text", "document"),
    "markdown": Format("markdown_page:render", "report"),
    "csv": Format("data:csv_rows", "report"),
    "python": Format("data:python_code", "report", ("suggest",)),
    "ndjson": Format("data:ndjson_lines", "document", ("scan", "merge", "check")),
    "html": Format(
        "html_page.assembling:render", "result", needs=("jinja2", "Jinja2", 'pip install "lrdecay-cli[html]"')
    ),
    "svg": Format("pictures:svg_chart", "report", ("schedule", "run")),
    "png": Format(
        "pictures:png_chart",
        "report",
        ("schedule", "run"),
        ("matplotlib", "matplotlib", 'pip install "lrdecay-cli[plot]", or use --format svg'),
    ),
    "concise": Format("ci_reports:concise_text", "result", ("check",)),
    "github": Format("ci_reports:github_annotations", "result", ("check",)),
    "sarif": Format("sarif_log:render", "document", ("check",)),
    "junit": Format("ci_reports:junit_xml", "document", ("check",)),
}


def formats_of(command: str) -> tuple[str, ...]:
    """Return the names of the formats that a command supports."""
    return tuple(name for name, known in FORMATS.items() if command in (known.commands or (command,)))


def suits(name: str, command: str) -> bool:
    """True if a command supports a format. Also True for an unknown format, which :func:`check_format` reports."""
    return name not in FORMATS or name in formats_of(command)


def render(name: str, result: AnyResult, canvas: Canvas) -> str | bytes:
    """Return ``result`` in the format ``name``. Raises LrdecayError for an unknown name or an unsupported result."""
    check_format(name)
    known = FORMATS[name]
    module, _, function = known.function.partition(":")
    write = getattr(import_module(f"{__name__}.{module}"), function)
    if known.reads == "document":
        text: str | bytes = write(result.document)
    else:
        text = write(result.report if known.reads == "report" else result, canvas)
    return text


def check_format(name: str, *, where: str = "--format", command: str | None = None) -> None:
    """Raise LrdecayError if ``name`` is not a format, or if ``command`` does not support this format.

    Also raises LrdecayError if a package that the format needs is missing.
    """
    allowed = tuple(FORMATS) if command is None else formats_of(command)
    if name not in FORMATS:
        raise not_one_of(f"unknown format {name!r}", name, allowed, where=where)
    if name not in allowed:
        fix = f"{command} writes {', '.join(allowed)}"
        raise LrdecayError(f"{name} is only for {listed(FORMATS[name].commands)}", where=where, fix=fix)
    needs = FORMATS[name].needs
    if needs is not None and find_spec(needs[0]) is None:
        raise LrdecayError(f"{name} needs {needs[1]}", where=where, fix=needs[2])
