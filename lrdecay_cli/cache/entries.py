"""One answer with its evidence in one file: a checksum, the evidence and the answer, a line each; quickly read."""

from __future__ import annotations

from lrdecay_cli.cache import folder
from lrdecay_cli.cache.evidence import digest, first_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


class _Settings:
    """What the standard library's own scanner, written in C, asks of the decoder that it belongs to."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float

    def __init__(self) -> None:
        self.memo: dict[str, str] = {}


def loads(text: str) -> Any:
    """The value of a JSON text without space around it. Raises ValueError for what is none."""
    try:
        from _json import make_scanner

        scan = make_scanner(_Settings())  # type: ignore[arg-type]
    except (ImportError, AttributeError, TypeError):
        # Another Python than CPython, or one to come.
        import json

        return json.loads(text)
    try:
        value, end = scan(text, 0)
    except StopIteration as error:
        raise ValueError("not JSON") from error
    if end != len(text):
        raise ValueError("something behind the JSON")
    return value
