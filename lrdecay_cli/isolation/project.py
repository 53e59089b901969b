"""What a config has to read: its own folder, the project around it and the working directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lrdecay_cli.isolation.confining import Confinement, without_homes

_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")


def confinement_for(config: str, scratch: str) -> Confinement:
    """What a process that loads ``config`` is left; never a folder that holds the user's home."""
    return Confinement(scratch, tuple(without_homes(map(str, _places(config)))))


def _places(config: str) -> Iterator[Path]:
    yield Path.cwd()
    if "::" in config:
        # A package's own, which is readable with Python.
        return
    folder = Path(config).resolve().parent
    yield folder
    yield from (above for above in folder.parents if any((above / mark).exists() for mark in _MARKS))
