"""Output formats by name: one entry of ``FORMATS`` and one module, which is imported when the format is asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple

from lrdecay_cli.domain.errors import LrdecayError, not_one_of
from lrdecay_cli.text.counting import listed

if TYPE_CHECKING:
    # For --help and the shell's completion the names of formats are enough.
    from lrdecay_cli.domain.report import AnyResult


# No msgspec records: --help, which names the formats, does without msgspec.
class Canvas(NamedTuple):
    """The place a report goes to."""

    width: int | None = None
    """Columns of the terminal; None where there is none and nothing may be cut."""
    color: bool = False
    path: str | None = None
    """The file that is written; None for stdout."""
    reloads: bool = False
    """Whether the file is going to be written again while a browser shows it."""


class Format(NamedTuple):
    """A format: a function of a module of this package."""

    function: str
    """``module:function``. It gives text, or bytes where it is a picture of pixels."""
    reads: Literal["report", "document", "result"]
    """What it takes: for machines the document alone, for people the report and a :class:`Canvas`; or the whole result
    and a canvas."""
    commands: tuple[str, ...] = ()
    """The commands that it can write; empty for all."""
    needs: tuple[str, str, str] | None = None
    """A package that is not always installed: import name, name and what to do without."""


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
        ("matplotlib", "matplotlib", 'pip install "lrdecay-cli[plot]", or use svg'),
    ),
    "concise": Format("ci_reports:concise_text", "document", ("check",)),
    "github": Format("ci_reports:github_annotations", "document", ("check",)),
    "sarif": Format("sarif_log:render", "document", ("check",)),
    "junit": Format("ci_reports:junit_xml", "document", ("check",)),
}


def formats_of(command: str) -> tuple[str, ...]:
    """The formats in which a command says what it has to say: what it offers, takes and names in its help."""
    return tuple(name for name, known in FORMATS.items() if command in (known.commands or (command,)))


def suits(name: str, command: str) -> bool:
    """Whether a format can write what a command says; an unknown format is left for :func:`check_format` to refuse."""
    return name not in FORMATS or name in formats_of(command)


def render(name: str, result: AnyResult, canvas: Canvas) -> str | bytes:
    """``result`` in the format ``name``. Raises LrdecayError for an unknown name or a result that it cannot hold."""
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
    """Raise LrdecayError, with the nearest name, unless ``name`` is a format, and one of ``command`` if that is given.

    Raises it too if what the format needs is not installed.
    """
    allowed = tuple(FORMATS) if command is None else formats_of(command)
    if name not in FORMATS:
        raise not_one_of(f"unknown format {name!r}", name, allowed, where=where)
    if name not in allowed:
        fix = f"{command} writes {', '.join(allowed)}"
        raise LrdecayError(f"{name} is for {listed(FORMATS[name].commands)}", where=where, fix=fix)
    needs = FORMATS[name].needs
    if needs is not None and find_spec(needs[0]) is None:
        raise LrdecayError(f"{name} needs {needs[1]}", where=where, fix=needs[2])
