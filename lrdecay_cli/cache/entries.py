"""One answer with its evidence in one file: a checksum, the evidence and the answer, a line each."""

from __future__ import annotations

from lrdecay_cli.cache import folder
from lrdecay_cli.cache.evidence import first_change
from lrdecay_cli.cache.fingerprints import digest
from lrdecay_cli.cache.quick_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence


def find(kind: str, key: str) -> tuple[bytes, Evidence] | str:
    """The answer (one line of JSON) that is kept under ``key``, and its evidence; why there is none, if there is none.

    A damaged entry is like no entry.
    """
    place = folder.cache_folder()
    name = f"{kind}-{key}"
    data = folder.read(place, name)
    if data is None:
        return "not in the cache"
    checksum, _, rest = data.partition(b"\n")
    if checksum != digest(rest).encode():
        return "the entry is damaged"
    try:
        line, answer, end = rest.split(b"\n")
        evidence = loads(line.decode())
        changed = first_change(evidence)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "the entry is damaged"
    if changed is not None or end:
        return f"changed: {changed}"
    folder.used(place, name)
    return answer, evidence


def keep(kind: str, key: str, answer: bytes, evidence: Evidence) -> bool:
    """Keep an answer (one line of JSON) under ``key``; False if that cannot be done."""
    import json

    text = json.dumps(evidence, separators=(",", ":"), ensure_ascii=True)
    rest = b"\n".join([text.encode(), answer, b""])
    return folder.write(folder.cache_folder(), f"{kind}-{key}", digest(rest).encode() + b"\n" + rest)
