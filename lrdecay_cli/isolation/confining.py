"""Confine a process with every mechanism of the operating system, and report which mechanisms work."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lrdecay_cli.isolation import landlock, seccomp
from lrdecay_cli.isolation.system import NotOfferedError, call

_PROJECT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_NEW_USER, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000

# Not all of /dev: /dev/shm contains files of users.
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/etc", "/proc", "/sys", *_DEVICES)
"""Folders with programs, libraries, devices, and system files that the C library reads."""
NOWHERE = ("/dev/null",)


@dataclass(frozen=True)
class Confinement:
    """The permissions of a confined process."""

    scratch: str
    """The only folder to which the process may write. Its temporary files go there."""
    readable: tuple[str, ...]
    """Folders that the process may read, besides those of the system and Python."""
    cpu: int = 300
    """Maximum CPU time in seconds."""
    file_size: int = 1 << 28
    """Maximum size in bytes of a written file."""
    files: int = 1024
    """Maximum number of open files."""


@dataclass(frozen=True)
class Measure:
    """A restriction of a process, and whether the restriction is enforced."""

    what: str
    """What the process must not use, for example ``network``."""
    by: str
    """The mechanism that enforces the restriction; empty if it is not enforced."""
    why_not: str = ""
    """The reason why the restriction is not enforced."""

    def __str__(self) -> str:
        return f"{self.what} ({self.by})" if self.by else f"{self.what} ({self.why_not})"


def confine(confinement: Confinement) -> tuple[Measure, ...]:
    """Confine this process and its future child processes permanently. The process must have only one thread.

    Returns:
        The restrictions, each with the mechanism that enforces it, or the reason why it is not enforced.
    """
    os.environ["TMPDIR"] = tempfile.tempdir = confinement.scratch
    limited = _limit(confinement)
    readable = [*_python(), *SYSTEM, *confinement.readable]
    namespaces = _tried(_enter_namespaces)
    files = _tried(lambda: landlock.restrict(readable, [confinement.scratch, *NOWHERE]))
    calls = _tried(seccomp.refuse_calls)
    return (
        _measure("network", {"seccomp": calls, "a network namespace": namespaces}),
        _measure("writes outside a scratch folder", {"Landlock": files}),
        _measure("reads outside the folders of the system, Python and the config", {"Landlock": files}),
        _measure("other processes", {"seccomp": calls}),
        limited,
    )


def _measure(what: str, tried: dict[str, str]) -> Measure:
    by = " and ".join(name for name, failed in tried.items() if not failed)
    return Measure(what, by, "; ".join(f"{name}: {failed}" for name, failed in tried.items()) if not by else "")


def _tried(action: Callable[[], None]) -> str:
    """Run a function that sets a restriction. Return the reason if the function fails, else an empty string."""
    try:
        action()
    except (NotOfferedError, OSError) as error:
        return str(error) or "not offered"
    return ""


def _enter_namespaces() -> None:
    """Enter a network namespace that has only a loopback device, and a private namespace for shared memory."""
    user, group = os.geteuid(), os.getegid()
    try:
        call("unshare", _NEW_USER | _NEW_NETWORK | _NEW_IPC)
    except NotOfferedError:
        # Some systems forbid user namespaces; root does not need one.
        call("unshare", _NEW_NETWORK | _NEW_IPC)
        return
    # Map to the same user as outside, so that file owners stay valid.
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", name).write_text(text, encoding="ascii")


def _limit(confinement: Confinement) -> Measure:
    import resource

    limits = {
        "RLIMIT_CPU": confinement.cpu + 1,
        "RLIMIT_FSIZE": confinement.file_size,
        "RLIMIT_NOFILE": confinement.files,
        "RLIMIT_CORE": 0,
    }
    for name, most in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # The hard CPU limit kills without a reason; the soft limit, a second earlier, sends a named signal.
        resource.setrlimit(kind, (most - 1 if name == "RLIMIT_CPU" else most, most))
    return Measure(f"more than {confinement.cpu} s of CPU time, large files, core dumps", "resource limits")


def _python() -> Iterator[str]:
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, site.getusersitepackages())
    yield from sysconfig.get_paths().values()
    # A folder on the path above the user's own files would expose all of them.
    yield from without_homes(entry for entry in sys.path if entry)


def without_homes(places: Iterable[str]) -> Iterator[str]:
    """Yield the folders in ``places`` that do not contain the user's home."""
    home = Path.home().resolve()
    yield from (place for place in places if not home.is_relative_to(Path(place).resolve()))


def confinement_for(config: str, scratch: str) -> Confinement:
    """Return the permissions of a process that loads ``config``.

    The process may read the config's project and the working directory. A folder that contains the user's home, such
    as ``/home`` or ``/``, is excluded.
    """
    places = [Path.cwd()]
    # A package's own config is readable with Python's folders.
    if "::" not in config:
        folder = Path(config).resolve().parent
        projects = (above for above in folder.parents if any((above / mark).exists() for mark in _PROJECT_MARKS))
        places += [folder, *projects]
    return Confinement(scratch, tuple(without_homes(map(str, places))))
