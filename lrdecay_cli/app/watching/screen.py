"""Show the reports of a watched command. On a terminal, each report replaces the last one; a pipe gets all reports."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lrdecay_cli.app.shell.console import write_stdout
from lrdecay_cli.text.printing import printable

_HOME = "\x1b[H\x1b[J"
"""Terminal codes that move the cursor to the top left and clear the screen, but not the scrollback."""
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_ERASE_LINE = "\r\x1b[K"


class Screen:
    """Prints each report to stdout, and a line about each report to stderr."""

    def __init__(self) -> None:
        moves_cursor = os.environ.get("TERM", "") not in ("", "dumb")
        self.redraws = sys.stdout.isatty() and moves_cursor
        self._erases = sys.stderr.isatty() and moves_cursor
        self._dims = self._erases and self.redraws and not os.environ.get("NO_COLOR")
        self._last = b""
        """The last report that was not empty."""
        self._drawn = False

    def show(self, out: bytes, err: str) -> None:
        """Show the output of one run of the command: ``out`` is its report, ``err`` its messages.

        If the run made no report, ``err`` contains the reason. A terminal shows the reason below the last report.
        """
        if self.redraws:
            self._last = out or self._last
            start = _HOME
            if not self._drawn:
                # Move the screen's content up into the scrollback.
                start = "\n" * max(shutil.get_terminal_size().lines - 1, 0) + _HOME
            self._drawn = True
            write_stdout(start)
            out = self._last
        _write(out)
        if err:
            sys.stderr.write(err)
            sys.stderr.flush()

    def log(self, line: str) -> None:
        """Print a line to stderr, with the time of day before it."""
        text = f"lrdecay: {time.strftime('%H:%M:%S')}: {printable(line)}"
        print(f"{_DIM}{text}{_PLAIN}" if self._dims else text, file=sys.stderr, flush=True)  # noqa: T201

    @contextmanager
    def notice(self, line: str) -> Iterator[None]:
        """Show a line on stderr while the block runs. On a terminal, the line is erased afterwards."""
        if not self._erases:
            self.log(line)
            yield
            return
        # A line that wraps could not be erased.
        text = f"lrdecay: {printable(line)}"[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"{_DIM}{text}{_PLAIN}" if self._dims else text)
        sys.stderr.flush()
        try:
            yield
        finally:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()


def _write(out: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
