"""Write reports to stdout and to files, and show a progress bar on stderr."""

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
"""The last result that this process wrote."""
pages_reload = False
"""True with ``--watch``: HTML files will be rewritten, so an open page has to reload itself."""
COLOR_CHOICES = ("auto", "always", "never")
STDOUT = "-"
_BY_SUFFIX = {
    **{f".{name}": name for name in ("json", "csv", "ndjson", "html", "svg", "png", "sarif")},
    ".md": "markdown",
    ".txt": "text",
}
"""The format for each file suffix, for ``--output`` with a path but no format."""


class Destinations:
    """The formats and paths of a command's reports. Wrong formats and paths are errors before the command starts.

    Args:
        command: the name of the command; some formats support only some commands.
        stdout_format: value of ``--format``; None for rich on a terminal and text elsewhere.
        outputs: values of ``--output``: ``FORMAT=PATH``, or only a path if its suffix gives the format; ``-`` is
            stdout.
        color: value of ``--color``.

    Raises:
        LrdecayError: a format is unknown or does not support the command, the colour choice is unknown, or a value of
            ``--output`` is not ``FORMAT=PATH``.
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
                fix = "write the format and the path, for example json=map.json"
                raise LrdecayError(f"{output!r} is not FORMAT=PATH", where="--output", fix=fix)
            check_format(name, where="--output", command=command)
            self._places.append((name, path))
        paths = [path for _, path in self._places]
        if repeated := [path for index, path in enumerate(paths) if path in paths[:index]]:
            fix = "give each report a different path"
            raise LrdecayError(f"{repeated[0]} is given twice", where="--output", fix=fix)
        if stdout_format is not None:
            check_format(stdout_format, command=command)
        if stdout_format is not None or STDOUT not in paths:
            self._places.insert(0, (stdout_format or ("rich" if sys.stdout.isatty() else "text"), STDOUT))

    @property
    def formats(self) -> tuple[str, ...]:
        """The format of each report to write."""
        return tuple(name for name, _ in self._places)

    @property
    def repeatable(self) -> bool:
        """True if the output may be cached: it goes only to stdout, and is no HTML page or PNG picture.

        The cache does not record the templates and scripts of an HTML page, or the fonts of a picture.
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
    """Write ``text`` to stdout. Characters that the encoding of stdout lacks are escaped.

    Raises LrdecayError if writing fails, or if ``text`` is bytes and stdout is a terminal. Raises BrokenPipeError if
    the reader closed the pipe.
    """
    if isinstance(text, bytes) and sys.stdout.isatty():
        raise LrdecayError(
            "a terminal cannot show this picture", where="stdout", fix="write a file with --output png=PATH"
        )
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
def progress(total: int, label: str) -> Iterator[Callable[[bool], None]]:
    """Show a progress bar on stderr with ``label``: done items of ``total``, failed items, and the time left.

    Yields a function to call after each item, with True if the item failed. Shows nothing if stderr is not a terminal.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[failed]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total, failed="")
        failures = 0

        def advance(failed: bool) -> None:
            nonlocal failures
            failures += failed
            bar.update(task, advance=1, failed=f"{failures} failed" if failures else "")

        yield advance
