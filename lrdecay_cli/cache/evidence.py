"""Take fingerprints of files, folders and environment variables, and check that the inputs of a result are unchanged.

The same functions compute the fingerprint of an input for a new result and for a later check.
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
"""Size in bytes. For larger files, only the stamp (times and size) is compared."""
STDLIB = os.path.dirname(os.__file__)
UNREADABLE = "cannot be read: "
"""Prefix of the text that replaces the digest of a file that cannot be read."""
DISTRIBUTIONS = (".dist-info", ".egg-info", ".egg-link", ".pth")
_KERNEL = ("/proc/", "/dev/", "/sys/")
_SHARED_MEMORY = "/dev/shm/"
_SITES = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class Evidence(TypedDict):
        """All inputs of a result, with their state when the result was computed, as JSON. Paths are absolute."""

        variables: dict[str, str | None]
        """For each environment variable: the digest of its value. None if the variable was read but is not set."""
        environment: str | None
        """Digest of all environment variables if the process read all of them; otherwise None."""
        stems: list[str]
        """Names of all top-level modules that imports searched for."""
        search: dict[str, list[str] | None]
        """For each folder of ``sys.path``: its files and folders that belong to the modules in ``stems``."""
        packages: dict[str, tuple[list[str], list[str] | None]]
        """For each folder of a package: the modules that imports searched for, and the modules' existing files."""
        listed: dict[str, list[str] | None]
        """For each folder whose content a config listed: the names of all its files and folders."""
        installed: dict[str, dict[str, list[int] | None]]
        """For each folder: a dict from file names to stamps (times and size). ``.`` is the folder itself."""
        own: dict[str, list[str] | None]
        """For each path outside installed packages: the digest of the content, and the real path."""


def empty_evidence() -> Evidence:
    """Return a new :class:`Evidence` without any input. The caller adds the inputs."""
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
    """Stores which inputs a command has already checked, so that the command reads each file only once.

    Several cached results may depend on the same file.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, dict[str, list[int] | None]]] = {}
        """For each cache file that was read: the recorded stamps of installed files."""
        self.unchanged: set[int] = set()
        """The ``id`` of each dict of stamps that was checked, if all its files are unchanged."""
        self.contents: dict[str, list[str] | None] = {}
        # Read now, because reading all variables while they are recorded would be evidence.
        self.environment = dict(os.environ)

    def content(self, path: str) -> list[str] | None:
        """Return the result of the function :func:`content` for a path. Each path is read only once."""
        if path not in self.contents:
            self.contents[path] = content(path)
        return self.contents[path]


def first_change(evidence: Evidence, checked: Checked | None = None) -> str | None:
    """Return a description of the first changed input; None if all inputs are unchanged. The fastest checks come first.

    Raises KeyError, TypeError or a similar exception if ``evidence`` has the wrong format.
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
    if id(installed) not in checked.unchanged:
        if changed := _changed_stamp(installed):
            return changed
        checked.unchanged.add(id(installed))
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
    """Return a hash of ``data`` as 32 hex digits."""
    found: str = blake2b(data, digest_size=16).hexdigest()
    return found


def is_installed(path: str) -> bool:
    """True if a path belongs to Python or to an installed package. Only installers change such files."""
    inside = f"{path}{os.sep}"
    return any(site in inside for site in _SITES) or inside.startswith(f"{STDLIB}{os.sep}")


def is_virtual(path: str) -> bool:
    """True if the kernel generates the content of a path. Files in shared memory (``/dev/shm``) are ordinary files."""
    return path.startswith(_KERNEL) and not path.startswith(_SHARED_MEMORY)


def stamp(path: str) -> list[int] | None:
    """Return ``[mtime_ns, ctime_ns, size]`` of a path; None if the path does not exist. Links are followed."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size]


def content(path: str) -> list[str] | None:
    """Return the digest of a file's content, and its real path; None if the file does not exist.

    For a file above :data:`LARGE`, the stamp (times and size) replaces the digest.
    """
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
    """Return the names of the files and folders in ``folder``, sorted; None if ``folder`` is not a folder.

    ``stems`` contains names of modules, such as ``timm``. With ``stems``, only the names of these modules (``timm``,
    ``timm.py``) and of metadata of distributions (``timm-1.0.dist-info``) are returned.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    return names_among(names, stems)


def names_among(names: list[str] | None, stems: frozenset[str] | None) -> list[str] | None:
    """Return ``names``, the names in a folder, sorted; None if ``names`` is None.

    With ``stems``, only the names of these modules, and names with a suffix in :data:`DISTRIBUTIONS`, such as
    ``.dist-info``, are returned.
    """
    if names is None or stems is None:
        return names if names is None else sorted(names)
    return sorted(name for name in names if name.partition(".")[0] in stems or name.endswith(DISTRIBUTIONS))


def distribution_files(folder: str) -> list[str]:
    """Return the paths of all ``.pth`` files and of all metadata files of distributions in a folder."""
    inner = {".dist-info": f"{os.sep}METADATA", ".egg-info": f"{os.sep}PKG-INFO"}
    return [
        os.path.join(folder, name + inner.get(os.path.splitext(name)[1], ""))
        for name in names_in(folder, frozenset()) or ()
    ]


def variable(environment: dict[str, str], name: str) -> str | None:
    """Return a digest of a variable's value, which may be a secret; None if the variable is not set."""
    value = environment.get(name)
    return None if value is None else digest(os.fsencode(value))


def all_variables(environment: dict[str, str]) -> str:
    """Return a digest of all environment variables."""
    return digest("\0".join(f"{name}={value}" for name, value in sorted(environment.items())).encode(errors="replace"))
