"""Everything that was seen to go into an answer, and whether it still is as it was."""

from __future__ import annotations

import os

from lrdecay_cli.cache.fingerprints import all_variables, content, names_in, variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class Evidence(TypedDict):
        """As it stands in JSON. Paths are absolute."""

        variables: dict[str, str | None]
        """Digest by name; None for a variable that was looked for and not set."""
        environment: str | None
        """Digest of all variables, where all were read."""
        stems: list[str]
        """Every top-level module name that was looked for."""
        search: dict[str, list[str] | None]
        """By folder of ``sys.path``: what in it has one of ``stems`` for a name."""
        packages: dict[str, tuple[list[str], list[str] | None]]
        """By folder of a package: module names that were looked for in it, and what of it there is."""
        listed: dict[str, list[str] | None]
        """By folder that a config listed: all that is in it."""
        installed: dict[str, dict[str, list[int] | None]]
        """By folder and name (``.`` for the folder): the stamp."""
        own: dict[str, list[str] | None]
        """By path outside installed packages: content and real path."""


def first_change(evidence: Evidence) -> str | None:
    """What is no longer as it was, in words; None if all of it is. The quickest to check comes first.

    Raises KeyError, TypeError or the like if ``evidence`` has not the right form.
    """
    environment = dict(os.environ)
    for name, value in evidence["variables"].items():
        if variable(environment, name) != value:
            return f"environment variable {name}"
    if evidence["environment"] not in (None, all_variables(environment)):
        return "environment"
    return _changed_folder(evidence) or _changed_stamp(evidence["installed"]) or _changed_content(evidence["own"])


def _changed_folder(evidence: Evidence) -> str | None:
    stems = frozenset(evidence["stems"])
    for folder, names in evidence["search"].items():
        if names_in(folder, stems) != names:
            return f"what {folder} has to import"
    for folder, (looked_for, names) in evidence["packages"].items():
        if names_in(folder, frozenset(looked_for)) != names:
            return f"what {folder} has to import"
    for folder, names in evidence["listed"].items():
        if names_in(folder) != names:
            return f"what is in {folder}"
    return None


def _changed_stamp(installed: dict[str, dict[str, list[int] | None]]) -> str | None:
    stat = os.stat
    for folder, files in installed.items():
        start = f"{folder}{os.sep}"
        for name, known in files.items():
            try:
                found = stat(start + name)
            except OSError:
                if known is not None:
                    return start + name
                continue
            if known is None or [found.st_mtime_ns, found.st_ctime_ns, found.st_size] != known:
                return start + name
    return None


def _changed_content(own: dict[str, list[str] | None]) -> str | None:
    return next((path for path, known in own.items() if content(path) != known), None)
