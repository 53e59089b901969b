"""The file that is meant by a path that leads nowhere."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lrdecay_cli.text.spelling import meant


def file_meant(given: str, suffixes: Collection[str], *, folders: bool = False) -> str:
    """``did you mean configs/a.py?`` for a path that is not there; empty if nothing there is like it.

    Args:
        given: the path, of which the file or one of its folders may be misspelt.
        suffixes: of the files that could be meant, as ``.py``.
        folders: whether a folder could be meant too.
    """
    found = _meant(Path(given), suffixes, folders)
    return f"did you mean {found}?" if found else ""


def _meant(path: Path, suffixes: Collection[str], folders: bool) -> Path | None:
    try:
        wrong = next(place for place in (path, *path.parents) if place.parent.is_dir())
        entries = sorted(wrong.parent.iterdir())
    except (OSError, StopIteration):
        return None
    names: dict[str, Path] = {}
    for entry in entries:
        if wrong != path or entry.is_dir():
            if (wrong != path or folders) and entry.is_dir():
                names.setdefault(entry.name, entry)
        elif entry.suffix in suffixes:
            stem = entry.stem
            # Of two that differ in their suffix alone, the one of the kind that was typed.
            if stem not in names or entry.suffix == path.suffix:
                names[stem] = entry
    typed = wrong.stem if wrong == path and wrong.suffix in suffixes else wrong.name
    for name in meant(typed, names)[:1]:
        corrected = names[name] / path.relative_to(wrong)
        return corrected if corrected.exists() else _meant(corrected, suffixes, folders)
    return None
