"""What is different from the answer before, in a few words."""

from __future__ import annotations

from collections import Counter

import msgspec

from lrdecay_cli.text.counting import count


def difference(kind: str, before: bytes, after: bytes) -> str:
    """What changed from one document of a command to the next; empty if that cannot be told.

    ``kind`` is the class of both.
    """
    if not before or not after:
        return ""
    if before == after:
        return "no difference"
    try:
        match kind:
            case "CheckResult":
                return _of_findings(before, after)
            case "GroupMap":
                return _of_maps(before, after)
            case "Suggestion":
                return "the suggestion is another one"
    # What a config made up travels too.
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return ""
    return ""


def _of_findings(before: bytes, after: bytes) -> str:
    from lrdecay_cli.domain.finding import CheckResult

    was, now = (
        Counter(
            (finding.config, finding.fingerprint)
            for finding in msgspec.msgpack.decode(each, type=CheckResult).findings
            if finding.suppressed is None
        )
        for each in (before, after)
    )
    new, gone = (now - was).total(), (was - now).total()
    said = [count(new, "new finding")] if new else []
    said += [f"{count(gone, 'finding')} gone"] if gone else []
    return ", ".join(said) or "the same findings"


def _of_maps(before: bytes, after: bytes) -> str:
    from lrdecay_cli.analysis.comparing.changes import diff
    from lrdecay_cli.analysis.comparing.report import extent_of
    from lrdecay_cli.domain.group_map import GroupMap

    was, now = (msgspec.msgpack.decode(each, type=GroupMap) for each in (before, after))
    changes = tuple(diff(was, now))
    return extent_of(changes, was, now) if changes else "the same groups"
