"""Answering a command from the cache before anything that is slow to import is imported."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

KIND = "report"
ANSWERED = ("inspect", "check", "schedule", "suggest")
"""Commands whose reports are kept."""
_asked: str | None = None


def answered(arguments: list[str], settings: list[bytes]) -> int | None:
    """Write the kept report for a command line to stdout, if there is one that still holds, and return its exit code.

    ``settings`` is the content of every file that may hold defaults for the command. No option is
    looked at: :func:`keep_report` is only called for command lines that may be answered so.
    """
    global _asked
    _asked = None
    if not arguments or arguments[0] not in ANSWERED or "--no-cache" in arguments:
        return None
    # A file of settings that is named may be anywhere: the command reads it.
    if any(argument.partition("=")[0] == "--settings" for argument in arguments):
        return None
    from lrdecay_cli.cache.folder import switched_off

    if switched_off():
        return None
    from lrdecay_cli.cache.entries import find, loads
    from lrdecay_cli.cache.keys import report_key

    try:
        _asked = report_key(arguments, settings)
        found = find(KIND, _asked)
        if isinstance(found, str):
            return None
        code, text = loads(found[0].decode())
        if type(code) is not int or type(text) is not str:
            return None
    except (OSError, ValueError, TypeError):
        # No working directory, no stdout, or not of our form: let the command itself say so.
        return None
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
    return code


def was_asked() -> bool:
    """Whether the present command line is one whose report is kept, if nothing else stands against it."""
    return _asked is not None


def keep_report(text: str, evidence: Evidence, code: int = 0) -> None:
    """Keep what the present command line wrote to stdout, and to no other place, and its exit code."""
    import json

    from lrdecay_cli.cache.entries import keep

    if _asked is not None:
        keep(KIND, _asked, json.dumps([code, text]).encode(), evidence)
