"""Find the file and line in a repository at which a CI report shows a finding."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import Cause, CheckResult, Finding
from lrdecay_cli.domain.origins import Place
from lrdecay_cli.files.config_path import repository_root


class FilePlace(msgspec.Struct, frozen=True):
    """A line, or a range of characters, in a file of the repository."""

    file: str
    """Path relative to the root of the repository, with forward slashes."""
    line: int
    stretch: Place | None = None
    """The range, with its start and end columns; None if only the line is known."""


def check_result(document: msgspec.Struct, format_name: str) -> CheckResult:
    """Return ``document`` if it is a result of ``check``, else raise LrdecayError."""
    if not isinstance(document, CheckResult):
        raise LrdecayError(f"only the command check writes the format {format_name}", fix="use json")
    return document


def place_of(result: CheckResult, subject: Finding | str) -> FilePlace | None:
    """Return the file and line at which to show a finding or a config.

    The result is the first of these places that is in the repository, or None:

    - the line that sets the option that the finding is about, or that contains the suppression comment
    - the ``_base_`` entry through which the config inherits the option
    - for a finding about lrdecay's settings: the settings file, at the line of the table or key
    - the config, at line 1
    - the exported map of the config
    """
    config, option = (subject, "") if isinstance(subject, str) else (subject.config, subject.option)
    if isinstance(subject, Finding) and subject.place:
        for place in file_places((subject.place, *subject.bases)):
            return place
    path = _file(config)
    if path is not None:
        return FilePlace(path[1], _line(path[0], option))
    sources = (_file(checked.source) for checked in result.checked if checked.config == config)
    return next((FilePlace(source[1], 1) for source in sources if source), None)


def named_configs(result: CheckResult, cause: Cause) -> tuple[str, ...]:
    """Return the configs that a report names: none if there is only one, and the finding is shown in its file."""
    place, own = place_of(result, cause.finding), _file(cause.finding.config)
    shown_there = place is not None and own is not None and place.file == own[1]
    return () if shown_there and len(cause.configs) == 1 else cause.configs


def file_places(places: Iterable[Place]) -> Iterator[FilePlace]:
    """Yield the ``places`` that are in files of the repository, as :class:`FilePlace`."""
    for place in places:
        if path := _file(place.file):
            yield FilePlace(path[1], place.line, place)


def _file(config: str) -> tuple[Path, str] | None:
    try:
        path = Path(os.path.abspath(config))  # noqa: PTH100 (a link is shown where it lies)
        if not path.is_file():
            return None
        here = Path.cwd()
    except (OSError, ValueError):
        return None
    root = repository_root(here) or here
    return (path, path.relative_to(root).as_posix()) if path.is_relative_to(root) else None


def _line(path: Path, option: str) -> int:
    """Return the line of a table or key in a settings file; 1 if not found."""
    word = option.rpartition(".")[2]
    # A table of the settings is identified by its number among the tables of that name.
    table = re.fullmatch(r"(\w+)\[(\d+)\]", word)
    if not word or path.suffix != ".toml":
        return 1
    pattern = rf"^\s*\[\[[\w.]*\b{table[1]}\]\]" if table else rf"\b{re.escape(word.partition('[')[0])}\b"
    lines: list[str] = []
    with suppress(OSError):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [number for number, text in enumerate(lines, 1) if re.search(pattern, text)]
    wanted = int(table[2]) if table else 0
    return found[wanted] if wanted < len(found) else 1
