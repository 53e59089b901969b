"""Folders that are watched by the system, for a loop that waits for other things too."""

from __future__ import annotations

import os
import platform
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchfiles._rust_notify import RustNotify

_GROUPED = 100
"""Milliseconds over which changes are grouped at most."""
_STEP = 10
"""Milliseconds without a change that end a group: an editor writes a file in several steps."""
_WAIT = 1000
POLLING = "WATCHFILES_FORCE_POLLING"
_POLL_DELAY = "WATCHFILES_POLL_DELAY_MS"


class Watcher:
    """Tells by :attr:`reader`, a file descriptor, that something changed in the folders it follows.

    Folders and not files: an editor puts another file in the place of the one that was.
    """

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.polls = forced_polling()
        """Whether folders are looked at again and again, since the system does not tell (network file systems)."""
        self._folders: frozenset[str] = frozenset()
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, folders: Iterable[str], optional: Iterable[str] = ()) -> None:
        """Watch these folders from here on, and ``optional`` ones if there are not too many for the system."""
        wanted, more = frozenset(folders), frozenset(optional)
        if self._thread is not None and wanted | more == self._folders:
            return
        self._end()
        self._folders = wanted | more
        try:
            notify = self._notify(wanted | more)
        except OSError:
            # The limit on watches of a user, mostly.
            try:
                notify = self._notify(wanted)
            except OSError:
                self.polls = True
                notify = self._notify(wanted)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(notify, self._stop), daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Watch anew at the next :meth:`follow`: a folder has gone, and its successor is another one."""
        self._folders = frozenset()

    def take(self) -> set[str]:
        """The paths that something happened to since the last call."""
        with suppress(BlockingIOError):
            while os.read(self.reader, 4096):
                pass
        with self._lock:
            changed, self._changed = self._changed, set()
        return changed

    def close(self) -> None:
        """Watch nothing any more."""
        self._end()
        os.close(self.reader)
        os.close(self._writer)

    def _notify(self, folders: frozenset[str]) -> RustNotify:
        from watchfiles._rust_notify import RustNotify

        there = sorted(filter(os.path.isdir, folders))
        delay = os.environ.get(_POLL_DELAY, "")
        return RustNotify(there, False, self.polls, int(delay) if delay.isdecimal() else 300, False, True)

    def _listen(self, notify: RustNotify, stop: threading.Event) -> None:
        while not stop.is_set():
            found = notify.watch(_GROUPED, _STEP, _WAIT, stop)
            if not isinstance(found, str):
                with self._lock:
                    self._changed |= {path for _, path in found}
                os.write(self._writer, b".")
        notify.close()

    def _end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def forced_polling() -> bool:
    """Whether to poll from the start, as watchfiles 1.3 decides it: ``WATCHFILES_FORCE_POLLING``, or on WSL."""
    given = os.environ.get(POLLING, "")
    if given:
        return given.lower() not in ("false", "disable", "disabled")
    return "microsoft-standard" in platform.uname().release
