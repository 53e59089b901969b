"""Print a cached report before any slow import."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

KIND = "report"
CACHED_COMMANDS = ("inspect", "check", "schedule", "suggest")
"""The commands for which reports are cached."""
_key: str | None = None


def write_cached_report(arguments: list[str], settings: list[bytes]) -> int | None:
    """Write the cached report of a command line to stdout and return its exit code; None if there is no valid report.

    ``settings`` is the content of every file that may contain defaults for the command. The options are not parsed,
    because :func:`cache_report` stores reports only for command lines that may be cached.
    """
    global _key
    _key = None
    if not arguments or arguments[0] not in CACHED_COMMANDS or "--no-cache" in arguments:
        return None
    # A settings file given by option may be anywhere: the command itself reads it.
    if any(argument.partition("=")[0] == "--settings" for argument in arguments):
        return None
    from lrdecay_cli.cache.folder import switched_off

    if switched_off():
        return None
    from lrdecay_cli.cache.entries import find, loads
    from lrdecay_cli.cache.keys import report_key

    try:
        _key = report_key(arguments, settings)
        found = find(KIND, _key)
        if isinstance(found, str):
            return None
        code, text = loads(found[0].decode())
        if type(code) is not int or type(text) is not str:
            return None
    except (OSError, ValueError, TypeError):
        # No working directory, no stdout, or an unknown format: the command itself reports it.
        return None
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
    return code


def is_cacheable() -> bool:
    """True if the report of the current command line may be cached."""
    return _key is not None


def cache_report(text: str, evidence: Evidence, code: int = 0) -> None:
    """Cache the stdout and exit code of the current command line. The command must have no other output."""
    import json

    from lrdecay_cli.cache.entries import store

    if _key is not None:
        store(KIND, _key, json.dumps([code, text]).encode(), evidence)
