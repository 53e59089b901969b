"""The console entry: every way that a command can end becomes an exit code and at most one line on stderr."""

from __future__ import annotations

import errno
import os
import sys

from lrdecay_cli.app.shell import CANNOT_JUDGE, CLEAN, INTERRUPTED, TERMINATED
from lrdecay_cli.domain.errors import Interrupted, LrdecayError
from lrdecay_cli.text.printing import printable, said_by

# Importing typing for its name takes longer than an answer from the cache.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, TextIO


def main() -> NoReturn:
    """Run the command line that was given, and end the process."""
    # Started with one of them closed (``>&-``): what would be opened next would take its place.
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
        # Whoever could still be told has been.
        _to_nowhere(sys.stdout)
        _to_nowhere(sys.stderr)
    if "lrdecay_cli.app.speed.fast_start" in sys.modules:
        from lrdecay_cli.app.speed import fast_start

        fast_start.leave(TERMINATED if fast_start.was_terminated() and code == INTERRUPTED else code)
    # Answered from the cache: there is nothing to clean up.
    os._exit(code)


def run(arguments: Sequence[str], *, console: bool = False) -> int:
    """Run ``arguments`` and return the exit code; whatever is raised becomes one, with a line on stderr.

    ``console`` allows what a Python program must not suffer: see :mod:`lrdecay_cli.app.speed.fast_start`.
    """
    try:
        return _run(arguments, console)
    except BrokenPipeError:
        # The reader has seen enough (``| head``).
        _to_nowhere(sys.stdout)
        return CLEAN
    except (Exception, KeyboardInterrupt) as error:
        if "--traceback" in arguments or os.environ.get("LRDECAY_TRACEBACK", "0") not in ("", "0"):
            import traceback
            from contextlib import suppress

            # Of an exception that a config made up even this may fail.
            with suppress(Exception):
                traceback.print_exception(error)
        if isinstance(error, KeyboardInterrupt):
            return _fail("interrupted", INTERRUPTED)
        if isinstance(error, LrdecayError):
            if "lrdecay_cli.app.shell.settings" in sys.modules:
                from lrdecay_cli.app.shell.settings import told_where

                error = told_where(error, arguments)
            return _fail(error.line(), INTERRUPTED if isinstance(error, Interrupted) else CANNOT_JUDGE)
        if isinstance(error, OSError) and (trouble := _trouble_here(error)):
            return _fail(trouble)
        from lrdecay_cli.doctor.diagnosing import stack_fault

        if fault := stack_fault(error):
            return _fail(fault)
        said = " ".join(f"{type(error).__name__}: {said_by(error)}".split())
        return _fail(f"internal error: {said}; please report it with the output of --traceback")


def _run(arguments: Sequence[str], console: bool) -> int:
    from lrdecay_cli.app.shell.arguments import spread_cfg_options, with_command
    from lrdecay_cli.app.shell.settings_place import settings_files
    from lrdecay_cli.cache.front import answered

    arguments = with_command(arguments)

    try:
        settings = [raw for _, raw in settings_files()]
    except OSError:
        # The command itself says so.
        settings = None
    if settings is not None and (code := answered(arguments, settings)) is not None:
        return code
    from lrdecay_cli.app.speed import fast_start

    if console:
        fast_start.begin()
    from lrdecay_cli.app.shell.cli import command_line

    def called() -> int:
        app = command_line(arguments)
        return int(app(args=spread_cfg_options(arguments), prog_name="lrdecay", standalone_mode=False) or CLEAN)

    if "_LRDECAY_COMPLETE" in os.environ:
        from lrdecay_cli.app.shell.completion import answer

        return answer(called)
    try:
        code = called()
    except Exception as error:
        # typer 0.28 brings a click of its own, earlier ones use the installed one: known by what they have in common.
        if type(error).__name__ == "Abort":
            return _fail("interrupted", INTERRUPTED)
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]  # noqa: T201
            return CANNOT_JUDGE
        if hasattr(error, "format_message"):
            return _fail(_usage_line(error))
        raise
    # typer turns Ctrl-C into this code and says nothing.
    return _fail("interrupted", INTERRUPTED) if code == INTERRUPTED else code


def _usage_line(error: Exception) -> str:
    import re

    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "lrdecay"
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    # Which names are like it is not left to click, whose answers differ from version to version.
    if context is None or not (missed := re.match(r"No such (?:option:? '?([^\s']+)|command '(.*?)')", message)):
        return f"{message.rstrip('.')}; see {command} --help"
    from lrdecay_cli.text.spelling import did_you_mean

    if missed[1]:
        what, word, known = "option", missed[1], [name for option in context.command.params for name in option.opts]
    else:
        what, word, known = "command", missed[2], context.command.commands
    return " ".join(filter(None, (f"no such {what} {word};", did_you_mean(word, known), f"see {command} --help")))


def _trouble_here(error: OSError) -> str:
    """What is wrong with this machine that made ``error``; empty if nothing is known to be."""
    if error.errno == errno.ENOSPC:
        return f"cannot write: {error.strerror}"
    try:
        os.getcwd()  # noqa: PTH109 (pathlib may not be imported yet)
    except OSError:
        return "the working directory is gone; change to one that is there"
    return ""


def _fail(line: str, code: int = CANNOT_JUDGE) -> int:
    # Where nobody can be told there is still the exit code.
    if sys.stderr is not None:
        try:
            print(f"lrdecay: {printable(line)}", file=sys.stderr, flush=True)  # noqa: T201
        except OSError:
            _to_nowhere(sys.stderr)
    return code


def _to_nowhere(stream: TextIO) -> None:
    """Let the interpreter's own flush at exit go nowhere instead of into a closed pipe or onto a full disk."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
