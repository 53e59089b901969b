"""Seeing what goes into an answer while it is made: files, imports, environment variables, folders."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lrdecay_cli.cache.environment import EnvironmentReads, asked_by_importlib, asked_by_user
from lrdecay_cli.cache.evidence import is_installed, stamp
from lrdecay_cli.cache.folder import cache_folder
from lrdecay_cli.cache.gathering import Gathered, gather, source_of

if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

# What a process or a connection says cannot be checked later.
_UNTRACEABLE = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "pty.spawn",
    "socket.connect",
    "sqlite3.connect",
)
_FRESH = os.O_TRUNC | os.O_EXCL
# Timestamps of the kernel lag behind the clock by up to this many nanoseconds.
_TICK = 10_000_000


class Recording:
    """Everything that was asked for since it began. One for the whole process: hooks cannot be taken back."""

    def __init__(self) -> None:
        self.began = (time.time_ns(), time.monotonic_ns())
        self.seen = Gathered()
        self.environment = EnvironmentReads()
        self.obstacles: list[str] = []
        self._earlier: list[tuple[Gathered, set[str]]] = []
        self.answers = 0
        self._alive = self._paused = False
        # What the cache itself opens and lists is no evidence.
        self._cache = os.path.join(cache_folder(), "")
        self._handlers: dict[str, Callable[[Any], None]] = {
            "open": self._open,
            "os.listdir": self._listed,
            "os.scandir": self._listed,
            "ctypes.dlopen": self._library,
            "tempfile.mkdtemp": self._temporary,
            "lrdecay_cli.alive": self._note_alive,
            **dict.fromkeys(_UNTRACEABLE, self._untraceable),
        }
        sys.addaudithook(self._hook)
        # Another hook may have refused this one, silently.
        sys.audit("lrdecay_cli.alive")
        if not self._alive:
            self.obstacles.append("audit hooks are refused")
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Note which module is looked for, and where; find nothing. As a finder of ``sys.meta_path``."""
        if path is None:
            self.seen.stems.add(name.partition(".")[0])
            self.seen.search.update(sys.path)
            return
        for folder in path:
            self.seen.packages.setdefault(folder, set()).add(name.rpartition(".")[2])

    def begin_part(self) -> None:
        """Set aside what was seen so far: it belongs to the whole answer, and not to the map that is built now."""
        self._earlier.append((self.seen, self.environment.names))
        self.seen, self.environment.names = Gathered(), set()

    def end_parts(self) -> None:
        """Count what was set aside in again."""
        for seen, names in self._earlier:
            self.seen.add(seen)
            self.environment.names |= names
        self._earlier.clear()

    def evidence(self) -> Evidence | str:
        """Evidence of all that was seen so far, files as they were when they were read; why there can be none."""
        began, ticks = self.began
        if abs((time.time_ns() - began) - (time.monotonic_ns() - ticks)) > 1_000_000_000:
            return "the clock was set"
        if self.obstacles:
            return self.obstacles[0]
        self._paused = True
        try:
            return gather(self.seen, self.environment, before=began - _TICK)
        # An answer that was found must not be lost for the want of evidence.
        except Exception as error:
            return f"evidence cannot be had: {type(error).__name__}: {error}"
        finally:
            self._paused = False

    def _hook(self, event: str, arguments: Any) -> None:
        handler = self._handlers.get(event)
        if handler is not None and not self._paused:
            try:
                handler(arguments)
            # What is raised in here would be raised in the code that is being watched.
            except Exception as error:
                self.obstacles.append(f"{event} is not understood: {error}")

    def _note_alive(self, _arguments: Any) -> None:
        self._alive = True

    def _untraceable(self, arguments: Any) -> None:
        self.obstacles.append(f"a process or connection was started: {arguments[0]!r}"[:200])

    def _temporary(self, arguments: Any) -> None:
        self.seen.temporary.append(os.path.join(os.path.abspath(os.fsdecode(arguments[0])), ""))

    def _library(self, arguments: Any) -> None:
        if isinstance(arguments[0], str) and os.sep in arguments[0]:
            self.seen.libraries.add(os.path.abspath(arguments[0]))

    def _open(self, arguments: Any) -> None:
        given, mode, flags = arguments
        if isinstance(given, int):
            return
        path = os.fsdecode(given)
        if not os.path.isabs(path):
            path = os.path.join(os.getcwd(), path)
        if path.startswith(self._cache):
            return
        fresh = bool({"w", "x"} & set(mode)) if isinstance(mode, str) else bool(flags & _FRESH)
        if fresh:
            self.seen.written.add(path)
        elif path.endswith(".pyc"):
            # The import system checks it against its source, and so do we.
            self.seen.compiled.add(path)
            if not is_installed(path):
                source = source_of(path)
                self.seen.opened.setdefault(source, stamp(source))
        elif path.startswith(("/proc/", "/dev/", "/sys/")):
            if asked_by_user() and path != os.devnull:
                self.obstacles.append(f"{path} was read")
        elif path not in self.seen.opened:
            # As it is before it is read: whoever changes it from now on is noticed.
            self.seen.opened[path] = stamp(path)

    def _listed(self, arguments: Any) -> None:
        given = arguments[0]
        if isinstance(given, int) or asked_by_importlib():
            return
        folder = os.path.join(os.getcwd(), os.fsdecode(given) if given else "")
        if os.path.join(folder, "").startswith(self._cache):
            return
        searched = {os.path.abspath(entry) for entry in sys.path}
        if is_installed(folder) or (os.path.normpath(folder) in searched and not asked_by_user()):
            # Packages that look for distributions; those are in the evidence of every search path.
            self.seen.search.add(folder)
        else:
            self.seen.listed.add(folder)


_recording: Recording | None = None


def record() -> Recording:
    """Begin to record, or go on. What a first answer needed counts for the next one in this process too."""
    global _recording
    if _recording is None:
        _recording = Recording()
    return _recording


def note_probed(paths: Iterable[str]) -> None:
    """Note what :func:`lrdecay_cli.cache.probed` tells."""
    if _recording is not None:
        for path in paths:
            _recording.seen.opened.setdefault(os.path.abspath(path), stamp(path))
