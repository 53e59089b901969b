"""Describe the difference between two reports of a watched command in a few words."""

from __future__ import annotations

from collections import Counter

import msgspec

from lrdecay_cli.text.counting import count


def difference(kind: str, before: bytes, after: bytes) -> str:
    """Return in words what changed between two results of a command, for example ``2 new findings``.

    ``before`` and ``after`` are the encoded results, and ``kind`` is the name of their class. The text is empty if the
    difference is unknown.
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
                return "the suggestion changed"
    # The document may contain classes that a config defined.
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
    parts = [count(new, "new finding")] if new else []
    parts += [f"{count(gone, 'finding')} gone"] if gone else []
    return ", ".join(parts) or "the same findings"


def _of_maps(before: bytes, after: bytes) -> str:
    from lrdecay_cli.analysis.comparing.changes import diff
    from lrdecay_cli.analysis.comparing.summary import extent_sentence, presence_sentence
    from lrdecay_cli.analysis.lr_factors import lr_pairs
    from lrdecay_cli.domain.group_map import GroupMap

    was, now = (msgspec.msgpack.decode(each, type=GroupMap) for each in (before, after))
    changes = tuple(diff(was, now))
    if not changes:
        return "the same groups"
    total = len({*was.names(duplicates=True), *now.names(duplicates=True)})
    parts = extent_sentence(changes, total, lr_pairs(was, now), None), presence_sentence(changes, None)
    return "; ".join(filter(None, parts))
