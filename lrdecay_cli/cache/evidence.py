"""Take fingerprints of files, folders and variables, and check that the inputs of a result are unchanged.

The same functions take and check fingerprints.
"""

from __future__ import annotations

import os
import stat

try:
    # Same result as hashlib, without 3 ms for loading OpenSSL.
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

LARGE = 16 * 1024 * 1024
"""Size in bytes above which only a file's stamp is compared."""
STDLIB = os.path.dirname(os.__file__)
UNREADABLE = "cannot be read: "
"""Begins what stands for the content of a file that is there."""
_DISTRIBUTIONS = (".dist-info", ".egg-info", ".egg-link", ".pth")
_SITES = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class Evidence(TypedDict):
        """Evidence as JSON. Paths are absolute."""

        variables: dict[str, str | None]
        """Digest by name; None for a variable that was looked up and not set."""
        environment: str | None
        """Digest of all variables, if all were read."""
        stems: list[str]
        """Every top-level module name that was looked up."""
        search: dict[str, list[str] | None]
        """By folder of ``sys.path``: its entries named like one of ``stems``."""
        packages: dict[str, tuple[list[str], list[str] | None]]
        """By folder of a package: looked-up module names, and those that exist."""
        listed: dict[str, list[str] | None]
        """By folder that a config listed: all its entries."""
        installed: dict[str, dict[str, list[int] | None]]
        """By folder and name (``.`` for the folder): the stamp."""
        own: dict[str, list[str] | None]
        """By path outside installed packages: content and real path."""


def empty_evidence() -> Evidence:
    """Return evidence of no inputs, to be filled."""
    return {
        "variables": {},
        "environment": None,
        "stems": [],
        "search": {},
        "packages": {},
        "listed": {},
        "installed": {},
        "own": {},
    }


class Checked:
    """Comparisons that one command has made. They are reused, because several results depend on the same files."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, dict[str, list[int] | None]]] = {}
        """Stamps of installed files in an entry, by the name of the entry."""
        self.as_they_were: set[int] = set()
        """Identities of the stamp tables that are unchanged."""
        self.contents: dict[str, list[str] | None] = {}
        # Read now, because reading all variables while they are recorded would be evidence.
        self.environment = dict(os.environ)

    def content(self, path: str) -> list[str] | None:
        """Return :func:`content` of a path, computed once."""
        if path not in self.contents:
            self.contents[path] = content(path)
        return self.contents[path]


def first_change(evidence: Evidence, checked: Checked | None = None) -> str | None:
    """Return a description of the first changed input; None if all are unchanged. Fastest checks first.

    Raises KeyError, TypeError or similar if ``evidence`` has the wrong format.
    """
    checked = checked or Checked()
    environment = checked.environment
    for name, value in evidence["variables"].items():
        if variable(environment, name) != value:
            return f"environment variable {name}"
    if evidence["environment"] not in (None, all_variables(environment)):
        return "environment"
    stems = frozenset(evidence["stems"])
    for folder, names in evidence["search"].items():
        if names_in(folder, stems) != names:
            return f"importable modules in {folder}"
    for folder, (looked_for, names) in evidence["packages"].items():
        if names_in(folder, frozenset(looked_for)) != names:
            return f"importable modules in {folder}"
    for folder, names in evidence["listed"].items():
        if names_in(folder) != names:
            return f"content of {folder}"
    installed = evidence["installed"]
    if id(installed) not in checked.as_they_were:
        if changed := _changed_stamp(installed):
            return changed
        checked.as_they_were.add(id(installed))
    return next((path for path, known in evidence["own"].items() if checked.content(path) != known), None)


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


def digest(data: bytes) -> str:
    """Return a hash of ``data`` with 32 hex digits."""
    found: str = blake2b(data, digest_size=16).hexdigest()
    return found


def is_installed(path: str) -> bool:
    """True if a file or folder belongs to an installed package or to Python. Only installers change such files."""
    inside = f"{path}{os.sep}"
    return any(site in inside for site in _SITES) or inside.startswith(f"{STDLIB}{os.sep}")


def stamp(path: str) -> list[int] | None:
    """Return ``[mtime_ns, ctime_ns, size]`` of a file or a link's target; None if it does not exist."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size]


def content(path: str) -> list[str] | None:
    """Return digest and real path of a file; None if it does not exist."""
    try:
        found = os.stat(path)
        real = os.path.realpath(path)
        if stat.S_ISDIR(found.st_mode):
            return ["folder", real]
        if not stat.S_ISREG(found.st_mode):
            return ["device", real]
        if found.st_size > LARGE:
            return [f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size}", real]
        with open(path, "rb", buffering=0) as file:
            return [digest(file.readall()), real]
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return [f"{UNREADABLE}{type(error).__name__}", ""]


def names_in(folder: str, stems: frozenset[str] | None = None) -> list[str] | None:
    """Return the sorted entries of a folder; None if it is not a folder.

    With ``stems`` only entries that an import of these names or a search for distributions could find.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    return names_among(names, stems)


def names_among(names: list[str] | None, stems: frozenset[str] | None) -> list[str] | None:
    """Return the sorted ``names`` that :func:`names_in` returns for ``stems``."""
    if names is None or stems is None:
        return names if names is None else sorted(names)
    return sorted(name for name in names if name.partition(".")[0] in stems or name.endswith(_DISTRIBUTIONS))


def distribution_files(folder: str) -> list[str]:
    """Return the path of each distribution's metadata file in a folder, and of each ``.pth``."""
    inner = {".dist-info": f"{os.sep}METADATA", ".egg-info": f"{os.sep}PKG-INFO"}
    return [
        os.path.join(folder, name + inner.get(os.path.splitext(name)[1], ""))
        for name in names_in(folder, frozenset()) or ()
    ]


def variable(environment: dict[str, str], name: str) -> str | None:
    """Return the digest of a variable's value (it may be a secret); None if it is not set."""
    value = environment.get(name)
    return None if value is None else digest(os.fsencode(value))


def all_variables(environment: dict[str, str]) -> str:
    """Return the digest of the whole environment."""
    return digest("\0".join(f"{name}={value}" for name, value in sorted(environment.items())).encode(errors="replace"))
