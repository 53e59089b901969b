"""Shortcuts that make a console command fast, and the retry of the command without shortcuts.

A console command that builds a config disables garbage collection, defers slow imports, skips weight initialisation and
exits without shutting the interpreter down. If anything fails, the whole command runs again without these shortcuts, so
that the user sees the error of an ordinary build. Errors that the config itself causes are final: the command is not
retried, see :class:`lrdecay_cli.domain.errors.LrdecayError`. These shortcuts do not affect a Python program that
imports lrdecay.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

    from lrdecay_cli.processes.streams import HeldStderr

_AGAIN = "_LRDECAY_AGAIN"
# Functions that swallow exceptions: callbacks of weak references (importlib uses one for each import) and destructors.
_SWALLOWING = ("cb", "remove", "_remove", "__del__")
_A_MOMENT = 0.005
"""If Python would swallow an interrupt, the interrupt is raised again after this number of seconds."""

_console = False
_plain = False
_unhurried = False
_terminated = False
_retry: Callable[[], NoReturn] | None = None
# Saved at the start: a config may change them.
_environment: dict[str, str] = {}
_folder = ""


def begin() -> None:
    """Allow this process to skip work, for example to print a cached report without importing typer.

    Only the console command calls this function, and calls it first.
    """
    global _console, _plain, _environment, _folder
    _console = True
    _plain = os.environ.pop(_AGAIN, None) is not None
    _environment = dict(os.environ)
    with suppress(OSError):
        _folder = os.getcwd()  # noqa: PTH109 (pathlib is not imported yet)
    # The process runs one command: collecting garbage would cost more time than it saves.
    gc.disable()
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def was_terminated() -> bool:
    """True if this process received SIGTERM and is shutting down."""
    return _terminated


def _terminate(_: int, frame: FrameType | None) -> None:
    """Exit as on Ctrl-C, so that child processes and temporary files are removed. A second SIGTERM ends at once."""
    global _terminated
    _terminated = True
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _interrupt(signal.SIGINT, frame)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt. If Python would swallow the exception here, raise it a moment later."""
    if frame is None or frame.f_code.co_name not in _SWALLOWING or not hasattr(signal, "setitimer"):
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, _A_MOMENT)


def retry_by(retry: Callable[[], NoReturn]) -> None:
    """Set the function to call after a build with shortcuts failed. Without this function, the command restarts."""
    global _retry
    _retry = retry


def be_plain() -> None:
    """Disable the shortcuts for builds, as in a retry."""
    global _plain
    _plain = True


def forgo() -> None:
    """Disable all shortcuts from now on (``--exact``)."""
    global _plain, _unhurried
    _plain = _unhurried = True
    gc.enable()


def is_plain() -> bool:
    """True if builds in this process take no shortcuts: they import and build as a training script does."""
    return _plain


def leave(code: int) -> NoReturn:
    """End the process without shutting the interpreter down, which takes a second if torch is loaded."""
    if not _unhurried:
        os._exit(code)
    # The output of a config's exit handlers must not get into the report.
    os.dup2(2, 1)
    sys.exit(code)


@contextmanager
def shortcuts(*, verbose: bool) -> Iterator[None]:
    """Use shortcuts in a ``with`` block that imports torch and the OpenMMLab packages, and builds a config.

    If the block raises an error, the command runs again without shortcuts. An error that would occur again, such as a
    syntax error in the config, is raised without a retry. Output to stderr is delayed until the block ends, because a
    retry would repeat this output.
    """
    from lrdecay_cli.openmmlab.lazy_imports import stack_imports
    from lrdecay_cli.processes.streams import holding_stderr

    lazily = "torch" not in sys.modules or stack_imports.defers_imports()
    if _plain or not _console or not (lazily or _retry):
        yield
        return
    if lazily:
        stack_imports.defer_slow_imports()
    with holding_stderr() as held:
        try:
            yield
        except Exception as error:
            from lrdecay_cli.processes.outcomes import is_final

            if is_final(error):
                raise
            _start_over(held, f"lrdecay: retrying without shortcuts after {error!r}\n" if verbose else "")
            raise


def _start_over(held: HeldStderr, reason: str) -> None:
    """Restart the command without shortcuts, in place of this process. Returns only if no Python can be started."""
    if _retry is not None:
        held.drop()
        _retry()
    if not sys.executable or not _folder:
        return
    held.drop()
    sys.stderr.write(reason)
    start_over(**{_AGAIN: "1"})


def start_over(**variables: str) -> None:
    """Restart the command in place of this process, with additional environment variables.

    Returns only if no Python can be started, or if this process is not a console command.
    """
    if not _console or not sys.executable or not _folder:
        return
    os.chdir(_folder)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {**_environment, **variables}
    if os.name == "posix":
        os.execve(sys.executable, command, environment)
    # On Windows, exec would return control to the shell while the new process still writes.
    import subprocess

    os._exit(subprocess.run(command, env=environment, check=False).returncode)
