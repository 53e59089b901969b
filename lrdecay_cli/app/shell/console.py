"""Write reports: to stdout in one format, to files in other formats. Also a progress bar on stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError, not_one_of
from lrdecay_cli.domain.report import AnyResult
from lrdecay_cli.files.writing import write_text
from lrdecay_cli.formats import Canvas, check_format, render

last_result: AnyResult | None = None
"""The result that was written last in this process."""
pages_reload = False
"""True if an HTML page in a file will be rewritten (``--watch``)."""
COLOR_CHOICES = ("auto", "always", "never")
STDOUT = "-"
_BY_SUFFIX = {
    **{f".{name}": name for name in ("json", "csv", "ndjson", "html", "svg", "png", "sarif")},
    ".md": "markdown",
    ".txt": "text",
}
"""The format by the suffix of a file, for files given without a format."""


class Destinations:
    """The formats and paths of the command line, checked before any work is done.

    Args:
        command: the command that reports; not every format supports every command.
        stdout_format: ``--format``, or None for rich on a terminal and text elsewhere.
        outputs: ``--output`` values, each ``FORMAT=PATH``, or a path whose suffix is that of a format; ``-`` is stdout.
        color: ``--color``.

    Raises:
        LrdecayError: an unknown format or a format for other commands, an unknown colour choice, or an output that is
            not
        ``FORMAT=PATH``.
    """

    def __init__(self, command: str, stdout_format: str | None, outputs: Sequence[str] | None, color: str) -> None:
        if color not in COLOR_CHOICES:
            raise not_one_of(f"unknown choice {color!r}", color, COLOR_CHOICES, where="--color")
        self._color = color
        self._places: list[tuple[str, str]] = []
        for output in outputs or ():
            name, separator, path = output.partition("=")
            if not separator and (known := _BY_SUFFIX.get(Path(output).suffix.lower())):
                name, path = known, output
            elif not separator or not path:
                fix = "for example json=map.json"
                raise LrdecayError(f"{output!r} is not FORMAT=PATH", where="--output", fix=fix)
            check_format(name, where="--output", command=command)
            self._places.append((name, path))
        paths = [path for _, path in self._places]
        if repeated := [path for index, path in enumerate(paths) if path in paths[:index]]:
            fix = "give each report its own file"
            raise LrdecayError(f"{repeated[0]} is given twice", where="--output", fix=fix)
        if stdout_format is not None:
            check_format(stdout_format, command=command)
        if stdout_format is not None or STDOUT not in paths:
            self._places.insert(0, (stdout_format or ("rich" if sys.stdout.isatty() else "text"), STDOUT))

    @property
    def formats(self) -> tuple[str, ...]:
        """Every format that will be written."""
        return tuple(name for name, _ in self._places)

    @property
    def repeatable(self) -> bool:
        """True if the only output is text on stdout. Only such output is cached.

        The cache does not see the templates and scripts of a page or the fonts of a picture.
        """
        return len(self._places) == 1 and self._places[0][1] == STDOUT and self._places[0][0] not in ("html", "png")

    def write(self, result: AnyResult) -> str:
        """Render the result for every destination, then write all reports. Return the text for stdout."""
        global last_result
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        rendered = [
            (path, render(name, result, self._canvas(width, path if path != STDOUT else None)))
            for name, path in self._places
        ]
        last_result = result
        for path, text in rendered:
            if path != STDOUT:
                write_text(Path(path), text)
        for path, text in rendered:
            if path == STDOUT:
                write_stdout(text)
        return "".join(text for path, text in rendered if path == STDOUT and isinstance(text, str))

    def _canvas(self, width: int | None, path: str | None) -> Canvas:
        return Canvas(width, self._colored(), path, reloads=pages_reload and path is not None)

    def _colored(self) -> bool:
        if self._color != "auto":
            return self._color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def write_stdout(text: str | bytes) -> None:
    """Write to stdout; characters that its encoding lacks are escaped.

    Raises LrdecayError if writing fails or a terminal would get bytes, BrokenPipeError if the reader closed the pipe.
    """
    if isinstance(text, bytes) and sys.stdout.isatty():
        raise LrdecayError("a terminal cannot show this picture", where="stdout", fix="--output png=PATH writes a file")
    encoding = sys.stdout.encoding or "utf-8"
    try:
        if isinstance(text, bytes):
            sys.stdout.flush()
            sys.stdout.buffer.write(text)
        else:
            sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LrdecayError(f"cannot write: {error.strerror or error}", where="stdout") from error


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[bool], None]]:
    """Show how many of ``total`` items are done, how many failed, and the time left.

    Yields a function to call after each item, with True if the item failed. Shows nothing if stderr is not a terminal.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[failed]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, failed="")
        failures = 0

        def advance(failed: bool) -> None:
            nonlocal failures
            failures += failed
            bar.update(task, advance=1, failed=f"{failures} failed" if failures else "")

        yield advance
