"""Where in a repository a finding is shown: the file of its config, and the line of its option."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Finding
from lrdecay_cli.files.config_path import repository_root

# custom_keys['backbone.norm']: a key that is no word.
_QUOTED_KEY = re.compile(r"\[['\"](.+)['\"]\]$")


class Place(msgspec.Struct, frozen=True):
    """A line of a file."""

    file: str
    """Relative to the root of the repository, with forward slashes."""
    line: int


def check_result(document: msgspec.Struct, format_name: str) -> CheckResult:
    """The document, which must be the result of ``check``. Raises LrdecayError for any other."""
    if not isinstance(document, CheckResult):
        raise LrdecayError(f"{format_name} is for check: this report has no findings", remedy="use json")
    return document


def place_of(result: CheckResult, config: str, option: str = "") -> Place | None:
    """The place of a config, at the line that names the option if that is found; else that of its exported map.

    None if neither is a file below the root of the repository.
    """
    path = _file(config)
    if path is not None:
        return Place(path[1], _line(path[0], option))
    sources = (_file(checked.source) for checked in result.checked if checked.config == config)
    return next((Place(source[1], 1) for source in sources if source), None)


def worst_first(result: CheckResult) -> list[Finding]:
    """The findings that count: those that fail the run in front, each as it comes."""
    order = ("error", "warning", "info")
    return sorted(result.counting(), key=lambda finding: order.index(finding.severity))


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
    word = option.rpartition(".")[2]
    if word and path.suffix in (".py", ".toml"):
        # A table of the settings is found by its number among those of its name.
        table = re.fullmatch(r"(\w+)\[(\d+)\]", word)
        pattern = rf"^\s*\[\[[\w.]*\b{table[1]}\]\]" if table else rf"\b{re.escape(word.partition('[')[0])}\b"
        if option.startswith("#"):
            pattern = re.escape(option)
        elif key := _QUOTED_KEY.search(option):
            pattern = rf"['\"]{re.escape(key[1])}['\"]"
        lines: list[str] = []
        with suppress(OSError):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found = [number for number, text in enumerate(lines, 1) if re.search(pattern, text)]
        wanted = int(table[2]) if table else 0
        return found[wanted] if wanted < len(found) else 1
    return 1
