"""What makes one command quick, and the way back to the plain one.

A console command that builds a config collects no garbage, puts off heavy imports, initialises no weights, and leaves
without taking the interpreter apart. If anything goes wrong on the way, the whole command is run again with all imports
and with initialisation, so that every error is the plain one's; but for errors that are beyond doubt the config's own,
see :class:`lrdecay_cli.domain.errors.LrdecayError`. Nothing here happens to a Python program that imports
lrdecay.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from lrdecay_cli.processes.streams import Held

_AGAIN = "_LRDECAY_AGAIN"

_console = False
_plain = False
_unhurried = False
_terminated = False
# As they were at first: a config may change them.
_environment: dict[str, str] = {}
_folder = ""


def begin() -> None:
    """Allow shortcuts in this process. For the console entry, before anything else."""
    global _console, _plain, _environment, _folder
    _console = True
    _plain = os.environ.pop(_AGAIN, None) is not None
    _environment = dict(os.environ)
    with suppress(OSError):
        _folder = os.getcwd()  # noqa: PTH109 (pathlib is not imported yet)
    # One command and out: what a collection could free is not worth the time.
    gc.disable()
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def was_terminated() -> bool:
    """Whether this process was told to end (SIGTERM), and is ending in order."""
    return _terminated


def _terminate(*_: object) -> None:
    """Leave by the way of Ctrl-C, which takes children, temporary files and folders away; a second time at once."""
    global _terminated
    _terminated = True
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt


def forgo() -> None:
    """Take no shortcut from here on (``--exact``)."""
    global _plain, _unhurried
    _plain = _unhurried = True
    gc.enable()


def is_plain() -> bool:
    """Whether the stack is imported and models are built as a training script does it."""
    return _plain


def leave(code: int) -> NoReturn:
    """End the process, without taking the interpreter apart: with torch in it that takes a second."""
    if not _unhurried:
        os._exit(code)
    # What a config's exit handlers print is no part of the report.
    os.dup2(2, 1)
    sys.exit(code)


@contextmanager
def shortcuts(*, verbose: bool) -> Iterator[None]:
    """Import the stack and build in here; the command starts over, plainly, if that raises.

    What is written to stderr in here is held back for a moment, since the second attempt says it again.
    """
    from lrdecay_cli.openmmlab.lazy_imports import stack_imports
    from lrdecay_cli.processes.streams import holding

    if _plain or not _console or ("torch" in sys.modules and not stack_imports.defers_imports()):
        yield
        return
    stack_imports.defer_heavy_imports()
    with holding() as held:
        try:
            yield
        except Exception as error:
            from lrdecay_cli.processes.outcomes import is_final

            if is_final(error):
                raise
            _start_over(held, f"lrdecay: once more without shortcuts, for {error!r}\n" if verbose else "")
            raise


def _start_over(held: Held, reason: str) -> None:
    """Replace this process by the same command without shortcuts. Comes back if there is no interpreter to run it."""
    if not sys.executable or not _folder:
        return
    held.drop()
    os.chdir(_folder)
    sys.stderr.write(reason)
    sys.stderr.flush()
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {**_environment, _AGAIN: "1"}
    if os.name == "posix":
        os.execve(sys.executable, command, environment)
    # Elsewhere exec would let the shell go on while the new process still writes.
    import subprocess

    os._exit(subprocess.run(command, env=environment, check=False).returncode)
