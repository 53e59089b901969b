"""Where the answers of a watch go: one after another into a pipe, each in the place of the last on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time

from lrdecay_cli.app.shell.console import write_stdout
from lrdecay_cli.text.printing import printable

_HOME = "\x1b[H\x1b[J"
"""To the top left, and clear from there on: what has left the screen stays."""
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class Screen:
    """Shows answers on stdout, and a line about each on stderr."""

    def __init__(self) -> None:
        self.redraws = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        self._dims = sys.stderr.isatty() and self.redraws and not os.environ.get("NO_COLOR")
        self._last = b""
        """The last answer that had a report."""
        self._drawn = False

    def show(self, out: bytes, err: str) -> None:
        """Show an answer: its report and its messages.

        Of one without a report the reason is shown, on a terminal below the last report that there was.
        """
        if self.redraws:
            self._last = out or self._last
            start = _HOME
            if not self._drawn:
                # What is on the screen goes up, to where one can scroll.
                start = "\n" * max(shutil.get_terminal_size().lines - 1, 0) + _HOME
            self._drawn = True
            write_stdout(start)
            out = self._last
        _write(out)
        if err:
            sys.stderr.write(err)
            sys.stderr.flush()

    def tell(self, line: str) -> None:
        """A line on stderr, with the time."""
        text = f"lrdecay: {time.strftime('%H:%M:%S')}: {printable(line)}"
        print(f"{_DIM}{text}{_PLAIN}" if self._dims else text, file=sys.stderr, flush=True)  # noqa: T201


def _write(out: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
