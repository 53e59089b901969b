"""Answering ``inspect`` from the cache before anything that is slow to import is imported."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

KIND = "report"
_asked: str | None = None


def answered(arguments: list[str], settings: list[bytes]) -> bool:
    """Write the kept report for a command line to stdout, if there is one that still holds.

    ``settings`` is the content of every file that may hold defaults for the command. No option is
    looked at: :func:`keep_report` is only called for command lines that may be answered so.
    """
    global _asked
    _asked = None
    if arguments[:1] != ["inspect"] or "--no-cache" in arguments:
        return False
    # A file of settings that is named may be anywhere: the command reads it.
    if any(argument.partition("=")[0] == "--settings" for argument in arguments):
        return False
    from lrdecay_cli.cache.folder import switched_off

    if switched_off():
        return False
    from lrdecay_cli.cache.entries import find, loads
    from lrdecay_cli.cache.keys import report_key

    try:
        _asked = report_key(arguments, settings)
        found = find(KIND, _asked)
        if isinstance(found, str):
            return False
        text = loads(found[0].decode())
    except (OSError, ValueError):
        # No working directory, no stdout, or not of our form: let the command itself say so.
        return False
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
    return True


def keep_report(text: str, evidence: Evidence) -> None:
    """Keep what the present command line wrote to stdout, exit code 0 and nothing to any other place."""
    import json

    from lrdecay_cli.cache.entries import keep

    if _asked is not None:
        keep(KIND, _asked, json.dumps(text).encode(), evidence)
