"""Store cached results in entry files. A file has a line with a checksum, a line with the evidence, and the result.

The evidence lists the inputs of the result. Most inputs are installed files, and many results depend on the same
installed files. So the stamps (times and size) of installed files are in a separate file.
"""

from __future__ import annotations

import sys

from lrdecay_cli.cache import folder
from lrdecay_cli.cache.evidence import Checked, digest, first_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lrdecay_cli.cache.evidence import Evidence


_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def find(kind: str, key: str, checked: Checked | None = None) -> tuple[bytes, Evidence] | str:
    """Return the cached result of ``key`` and its evidence. If there is no valid entry, return the reason as text.

    The evidence is the list of the result's inputs. A damaged entry counts as missing. ``checked`` stores which inputs
    this command has already compared.
    """
    checked = checked or Checked()
    try:
        entry = _entry(kind, key, checked)
        if isinstance(entry, str):
            return entry
        result, evidence = entry
        changed = first_change(evidence, checked)
    except _DAMAGED:
        return "the cache entry is damaged"
    if changed is not None:
        return f"changed: {changed}"
    # Without --watch nothing is imported.
    if dependencies := sys.modules.get("lrdecay_cli.cache.dependencies"):
        dependencies.note(evidence)
    folder.used(folder.cache_folder(), f"{kind}-{key}")
    return result, evidence


def evidence_of(kind: str, key: str, checked: Checked) -> Evidence | None:
    """Return the evidence of a cached result, which is the list of its inputs; None if there is no entry.

    This function does not check that the inputs are unchanged. Use it for an entry that this command stored or checked.
    """
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
        return "the cache entry is damaged"
    line, _, result = rest.partition(b"\n")
    evidence = loads(line.decode())
    name = evidence["installed"]
    if name not in checked.files:
        files = folder.read(place, f"{folder.FILES}-{name}")
        if files is None or digest(files) != name:
            return "not in the cache"
        checked.files[name] = loads(files.decode())
        folder.used(place, f"{folder.FILES}-{name}")
    evidence["installed"] = checked.files[name]
    return result, evidence


def store(kind: str, key: str, result: bytes, evidence: Evidence) -> bool:
    """Store a result and its evidence (the list of its inputs) in the cache. Return True on success."""
    import json

    def encoded(value: object) -> bytes:
        # In a fixed order: another process with the same files then uses the same name.
        return json.dumps(value, separators=(",", ":"), ensure_ascii=True, sort_keys=True).encode()

    place, files = folder.cache_folder(), encoded(evidence["installed"])
    name = digest(files)
    if folder.read(place, f"{folder.FILES}-{name}") != files and not folder.write(
        place, f"{folder.FILES}-{name}", files
    ):
        return False
    rest = encoded({**evidence, "installed": name}) + b"\n" + result
    return folder.write(place, f"{kind}-{key}", digest(rest).encode() + b"\n" + rest)


class _Settings:
    """Settings for ``make_scanner``, the C function with which the standard library parses JSON."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float

    def __init__(self) -> None:
        self.memo: dict[str, str] = {}


def loads(text: str) -> Any:
    """Parse a JSON text without surrounding space, faster than ``json.loads``, because ``json`` is not imported.

    Raises:
        ValueError: the text is not JSON, or has surrounding space.
    """
    try:
        from _json import make_scanner

        scan = make_scanner(_Settings())  # type: ignore[arg-type]
    except (ImportError, AttributeError, TypeError):
        # Python implementations or versions without this scanner.
        import json

        return json.loads(text)
    try:
        value, end = scan(text, 0)
    except StopIteration as error:
        raise ValueError("not JSON") from error
    if end != len(text):
        raise ValueError("there is text after the JSON value")
    return value
