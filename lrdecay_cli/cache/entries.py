"""One answer with its evidence in one file: a checksum and the evidence, a line each, then the answer.

The stamps of installed files are most of the evidence and the same for many answers: they have a file of their own.
"""

from __future__ import annotations

from lrdecay_cli.cache import folder
from lrdecay_cli.cache.evidence import Checked, digest, first_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lrdecay_cli.cache.evidence import Evidence


_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def find(kind: str, key: str, checked: Checked | None = None) -> tuple[bytes, Evidence] | str:
    """The answer that is kept under ``key``, and its evidence; why there is none, if there is none.

    A damaged entry is like no entry. ``checked`` is what this command has compared already.
    """
    checked = checked or Checked()
    try:
        entry = _entry(kind, key, checked)
        if isinstance(entry, str):
            return entry
        answer, evidence = entry
        changed = first_change(evidence, checked)
    except _DAMAGED:
        return "the entry is damaged"
    if changed is not None:
        return f"changed: {changed}"
    folder.used(folder.cache_folder(), f"{kind}-{key}")
    return answer, evidence


def evidence_of(kind: str, key: str, checked: Checked) -> Evidence | None:
    """The evidence of an entry that was made a moment ago, as it is there; None if there is no such entry."""
    try:
        entry = _entry(kind, key, checked)
    except _DAMAGED:
        return None
    return None if isinstance(entry, str) else entry[1]


def _entry(kind: str, key: str, checked: Checked) -> tuple[bytes, Evidence] | str:
    place = folder.cache_folder()
    data = folder.read(place, f"{kind}-{key}")
    if data is None:
        return "not in the cache"
    checksum, _, rest = data.partition(b"\n")
    if checksum != digest(rest).encode():
        return "the entry is damaged"
    line, _, answer = rest.partition(b"\n")
    evidence = loads(line.decode())
    name = evidence["installed"]
    if name not in checked.files:
        files = folder.read(place, f"{folder.FILES}-{name}")
        if files is None or digest(files) != name:
            return "not in the cache"
        checked.files[name] = loads(files.decode())
        folder.used(place, f"{folder.FILES}-{name}")
    evidence["installed"] = checked.files[name]
    return answer, evidence


def keep(kind: str, key: str, answer: bytes, evidence: Evidence) -> bool:
    """Keep an answer under ``key``; False if that cannot be done."""
    import json

    def encoded(value: object) -> bytes:
        # In one order: another process that saw the same files keeps them under the same name.
        return json.dumps(value, separators=(",", ":"), ensure_ascii=True, sort_keys=True).encode()

    place, files = folder.cache_folder(), encoded(evidence["installed"])
    name = digest(files)
    if folder.read(place, f"{folder.FILES}-{name}") != files and not folder.write(
        place, f"{folder.FILES}-{name}", files
    ):
        return False
    rest = encoded({**evidence, "installed": name}) + b"\n" + answer
    return folder.write(place, f"{kind}-{key}", digest(rest).encode() + b"\n" + rest)


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
