"""Record what a result depends on while lrdecay computes the result: files, imports, environment variables, folders."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lrdecay_cli.cache.environment import EnvironmentReads, read_by_importlib, read_by_user
from lrdecay_cli.cache.evidence import is_installed, is_virtual, names_in, stamp
from lrdecay_cli.cache.folder import cache_folder
from lrdecay_cli.cache.gathering import Gathered, gather, source_of

if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

# Data from a process or a connection cannot be checked later.
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
_CHANGING = os.O_WRONLY | os.O_RDWR
# Kernel timestamps lag behind the clock by up to this many nanoseconds.
_TICK = 10_000_000


class Recording:
    """Records every input of this process, such as each opened file, from the creation of this object on.

    A process has only one recording, because Python's audit hooks cannot be removed.
    """

    def __init__(self) -> None:
        self.began = (time.time_ns(), time.monotonic_ns())
        self.seen = Gathered()
        self.changed: set[str] = set()
        """Paths that this process opened for writing, or created by renaming a file."""
        self.listings: dict[str, list[str] | None] | None = None
        """For each listed folder: its entries at the first listing. None if no caller needs the entries."""
        self.environment = EnvironmentReads()
        self.obstacles: list[str] = []
        self._earlier: list[tuple[Gathered, set[str]]] = []
        self.results = 0
        self._alive = self._paused = False
        # Files and folders that the cache itself reads are not evidence.
        self._cache = os.path.join(cache_folder(), "")
        self._handlers: dict[str, Callable[[Any], None]] = {
            "open": self._open,
            "os.listdir": self._listed,
            "os.scandir": self._listed,
            "os.rename": self._renamed,
            "ctypes.dlopen": self._library,
            "tempfile.mkdtemp": self._temporary,
            "lrdecay_cli.alive": self._note_alive,
            **dict.fromkeys(_UNTRACEABLE, self._untraceable),
        }
        sys.addaudithook(self._hook)
        # Another hook may have rejected this one silently.
        sys.audit("lrdecay_cli.alive")
        if not self._alive:
            self.obstacles.append("another audit hook refuses new audit hooks")
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Record the module name and the search path, and return None.

        The import system calls this method of a finder in ``sys.meta_path``. None means: ask the next finder.
        """
        if path is None:
            self.seen.stems.add(name.partition(".")[0])
            self.seen.search.update(sys.path)
            return
        for folder in path:
            self.seen.packages.setdefault(folder, set()).add(name.rpartition(".")[2])

    def begin_part(self) -> None:
        """Start to record the inputs of the next group map. Earlier inputs are kept separately.

        :meth:`end_parts` combines all inputs again.
        """
        self._earlier.append((self.seen, self.environment.names))
        self.seen, self.environment.names = Gathered(), set()

    def end_parts(self) -> None:
        """Combine the inputs that :meth:`begin_part` separated, so that :meth:`evidence` returns all inputs."""
        for seen, names in self._earlier:
            self.seen.add(seen)
            self.environment.names |= names
        self._earlier.clear()

    def evidence(self) -> Evidence | str:
        """Return the inputs so far, each with its state. If a state is uncertain, return the reason as text.

        The state of a file is its state at the time when it was read.
        """
        began, ticks = self.began
        if abs((time.time_ns() - began) - (time.monotonic_ns() - ticks)) > 1_000_000_000:
            return "the system clock changed during the build"
        if self.obstacles:
            return self.obstacles[0]
        with self.paused():
            try:
                return gather(self.seen, self.environment, before=began - _TICK)
            # A result must be returned even if its evidence fails.
            except Exception as error:
                return f"collecting evidence failed: {type(error).__name__}: {error}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop recording inside this block."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def all_seen(self) -> Gathered:
        """Return all recorded inputs, including those that :meth:`begin_part` keeps separately."""
        whole = Gathered()
        for seen in (self.seen, *(seen for seen, _ in reversed(self._earlier))):
            whole.add(seen)
        return whole

    def _hook(self, event: str, arguments: Any) -> None:
        handler = self._handlers.get(event)
        if handler is not None and not self._paused:
            try:
                handler(arguments)
            # An exception here would be raised in the recorded code.
            except Exception as error:
                self.obstacles.append(f"unexpected arguments of {event}: {error}")

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
        changes = bool(set("wxa+") & set(mode)) if isinstance(mode, str) else bool(flags & _CHANGING)
        if changes:
            self.changed.add(path)
        if fresh:
            self.seen.written.add(path)
        elif path.endswith(".pyc"):
            # The import system checks a compiled file against its source, and so does the cache.
            self.seen.compiled.add(path)
            if not is_installed(path):
                source = source_of(path)
                self.seen.opened.setdefault(source, stamp(source))
        elif is_virtual(path):
            if read_by_user() and path != os.devnull:
                self.obstacles.append(f"{path} was read")
        elif path not in self.seen.opened:
            # Stamp before reading: later changes are detected.
            self.seen.opened[path] = stamp(path)

    def _renamed(self, arguments: Any) -> None:
        self.changed.add(os.path.abspath(os.fsdecode(arguments[1])))

    def _listed(self, arguments: Any) -> None:
        given = arguments[0]
        if isinstance(given, int) or read_by_importlib():
            return
        folder = os.path.join(os.getcwd(), os.fsdecode(given) if given else "")
        if os.path.join(folder, "").startswith(self._cache):
            return
        searched = {os.path.abspath(entry) for entry in sys.path}
        if is_installed(folder) or (os.path.normpath(folder) in searched and not read_by_user()):
            # A search for distributions; the evidence of every search path includes them.
            self.seen.search.add(folder)
        else:
            self.seen.listed.add(folder)
            if self.listings is not None and folder not in self.listings:
                with self.paused():
                    self.listings[folder] = names_in(folder)


_recording: Recording | None = None


def record() -> Recording:
    """Return the recording of this process, and start it if there is none.

    The recording of a later result also contains the inputs of earlier results in this process.
    """
    global _recording
    if _recording is None:
        _recording = Recording()
    return _recording


def note_probed(paths: Iterable[str]) -> None:
    """Record that the result depends on these paths. Does nothing if this process has no recording."""
    if _recording is not None:
        for path in paths:
            _recording.seen.opened.setdefault(os.path.abspath(path), stamp(path))
