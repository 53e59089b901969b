"""Entry point of the console command: turn each result or exception into an exit code and at most one stderr line."""

from __future__ import annotations

import errno
import os
import sys

from lrdecay_cli.app.shell import CANNOT_JUDGE, CLEAN, INTERRUPTED, TERMINATED
from lrdecay_cli.domain.errors import Interrupted, LrdecayError
from lrdecay_cli.text.printing import message_of, printable

# Importing typing just for this name takes longer than using a cached result.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, TextIO


def main() -> NoReturn:
    """Run the command line and end the process."""
    # If a standard stream is closed (``>&-``), the next opened file would take its number.
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        os._exit(_fail("stdout is closed"))
    if sys.stderr is None:
        os.open(os.devnull, os.O_WRONLY)
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    code = run(sys.argv[1:], console=True)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # The reader of the output is gone.
        _redirect_to_null(sys.stdout)
        _redirect_to_null(sys.stderr)
    if "lrdecay_cli.app.speed.fast_start" in sys.modules:
        from lrdecay_cli.app.speed import fast_start

        fast_start.leave(TERMINATED if fast_start.was_terminated() and code == INTERRUPTED else code)
    # Answered from the cache: nothing to clean up.
    os._exit(code)


def run(arguments: Sequence[str], *, console: bool = False) -> int:
    """Run the command line ``arguments``, such as ``["inspect", "config.py"]``, and return the exit code.

    If the command raises, this function prints one line on stderr and returns an exit code.

    Args:
        arguments: the words after ``lrdecay``.
        console: True if the process runs only this command. The shortcuts of
            :mod:`lrdecay_cli.app.speed.fast_start` are then allowed. They could disturb any other Python program.
    """
    try:
        return _run(arguments, console)
    except BrokenPipeError:
        # The reader closed the pipe (``| head``).
        _redirect_to_null(sys.stdout)
        return CLEAN
    except (Exception, KeyboardInterrupt) as error:
        if "--traceback" in arguments or os.environ.get("LRDECAY_TRACEBACK", "0") not in ("", "0"):
            import traceback
            from contextlib import suppress

            # The ``str`` of a config's own exception class may raise too.
            with suppress(Exception):
                traceback.print_exception(error)
        if isinstance(error, KeyboardInterrupt):
            return _fail("interrupted", INTERRUPTED)
        if isinstance(error, LrdecayError):
            if "lrdecay_cli.app.shell.settings" in sys.modules:
                from lrdecay_cli.app.shell.settings import with_source

                error = with_source(error, arguments)
            return _fail(error.line(), INTERRUPTED if isinstance(error, Interrupted) else CANNOT_JUDGE)
        if isinstance(error, OSError) and (problem := _machine_problem(error)):
            return _fail(problem)
        from lrdecay_cli.doctor.diagnosing import stack_fault

        if fault := stack_fault(error):
            return _fail(fault)
        summary = " ".join(f"{type(error).__name__}: {message_of(error)}".split())
        return _fail(f"internal error: {summary}; please report it with the output of --traceback")


def _run(arguments: Sequence[str], console: bool) -> int:
    from lrdecay_cli.app.shell.arguments import spread_cfg_options, with_command
    from lrdecay_cli.app.shell.settings_place import settings_files
    from lrdecay_cli.cache.front import write_cached_report

    arguments = with_command(arguments)

    try:
        settings = [raw for _, raw in settings_files()]
    except OSError:
        # The command sets the exit code itself.
        settings = None
    if settings is not None and (code := write_cached_report(arguments, settings)) is not None:
        return code
    from lrdecay_cli.app.speed import fast_start

    if console:
        fast_start.begin()
    from lrdecay_cli.app.shell.cli import command_line

    def called() -> int:
        app = command_line(arguments)
        words = spread_cfg_options(arguments)
        # What --watch runs again.
        return int(app(args=words, prog_name="lrdecay", standalone_mode=False, obj=words) or CLEAN)

    if "_LRDECAY_COMPLETE" in os.environ:
        from lrdecay_cli.app.shell.completion import answer

        return answer(called)
    try:
        code = called()
    except Exception as error:
        # typer 0.28 bundles click, earlier versions use the installed one: test for what both have in common.
        if type(error).__name__ == "Abort":
            return _fail("interrupted", INTERRUPTED)
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]  # noqa: T201
            return CANNOT_JUDGE
        if hasattr(error, "format_message"):
            return _fail(_usage_line(error))
        raise
    # typer turns Ctrl-C into this code without a message.
    return _fail("interrupted", INTERRUPTED) if code == INTERRUPTED else code


def _usage_line(error: Exception) -> str:
    import re

    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "lrdecay"
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    # Similar names are computed here: click's answers differ between versions.
    if context is None or not (missed := re.match(r"No such (?:option:? '?([^\s']+)|command '(.*?)')", message)):
        return f"{message.rstrip('.')}; see {command} --help"
    from lrdecay_cli.text.spelling import did_you_mean

    if missed[1]:
        what, word, known = "option", missed[1], [name for option in context.command.params for name in option.opts]
    else:
        what, word, known = "command", missed[2], context.command.commands
    return " ".join(filter(None, (f"no such {what} {word};", did_you_mean(word, known), f"see {command} --help")))


def _machine_problem(error: OSError) -> str:
    """Return a message if a full disk or a deleted working directory caused ``error``; else an empty string."""
    if error.errno == errno.ENOSPC:
        return f"cannot write: {error.strerror}"
    try:
        os.getcwd()  # noqa: PTH109 (pathlib may not be imported yet)
    except OSError:
        return "the working directory no longer exists; change to another directory"
    return ""


def _fail(line: str, code: int = CANNOT_JUDGE) -> int:
    # If stderr is closed too, only the exit code remains.
    if sys.stderr is not None:
        try:
            print(f"lrdecay: {printable(line)}", file=sys.stderr, flush=True)  # noqa: T201
        except OSError:
            _redirect_to_null(sys.stderr)
    return code


def _redirect_to_null(stream: TextIO) -> None:
    """Connect ``stream`` to the null device.

    Python flushes ``stream`` at exit. If the pipe is closed or the disk is full, this flush would fail.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
