"""Watch folders with file-system events, in a thread that signals an event loop."""

from __future__ import annotations

import os
import platform
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchfiles._rust_notify import RustNotify

_GROUPED = 100
"""A group of changes lasts at most this number of milliseconds."""
_STEP = 5
"""A group of changes ends after this number of milliseconds without a change. Editors save a file in several steps."""
_WAIT = 1000
POLLING = "WATCHFILES_FORCE_POLLING"
_POLL_DELAY = "WATCHFILES_POLL_DELAY_MS"


class Watcher:
    """Watches folders and signals changes: the file descriptor :attr:`reader` becomes readable.

    A signal to the process makes :attr:`reader` readable too. Otherwise, a signal that arrives just before a wait
    would not end the wait.

    A Watcher watches folders instead of files, because editors replace a file when they save it.
    """

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        for descriptor in (self.reader, self._writer):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self.polls = forced_polling()
        """True if folders are polled, because the system reports no changes, for example on a network file system."""
        self._folders: frozenset[str] = frozenset()
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, folders: Iterable[str], optional: Iterable[str] = ()) -> None:
        """Watch ``folders`` from now on, and also the ``optional`` folders.

        The ``optional`` folders are not watched if the system refuses to watch all folders, usually because of a limit.
        """
        wanted, more = frozenset(folders), frozenset(optional)
        if self._thread is not None and wanted | more == self._folders:
            return
        self._end()
        self._folders = wanted | more
        try:
            notify = self._notify(wanted | more)
        except OSError:
            # Usually the user's limit on watches.
            try:
                notify = self._notify(wanted)
            except OSError:
                self.polls = True
                notify = self._notify(wanted)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(notify, self._stop), daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Make the next :meth:`follow` start a new watch, because a watched folder was replaced."""
        self._folders = frozenset()

    def take(self) -> set[str]:
        """Return the paths that had file-system events since the last call."""
        with suppress(BlockingIOError):
            while os.read(self.reader, 4096):
                pass
        with self._lock:
            changed, self._changed = self._changed, set()
        return changed

    def close(self) -> None:
        """Stop watching."""
        self._end()
        signal.set_wakeup_fd(-1)
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
                # If the pipe is full, it is readable already.
                with suppress(BlockingIOError):
                    os.write(self._writer, b".")
        notify.close()

    def _end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def forced_polling() -> bool:
    """True if ``WATCHFILES_FORCE_POLLING`` or WSL requires polling, decided as in watchfiles 1.3."""
    given = os.environ.get(POLLING, "")
    if given:
        return given.lower() not in ("false", "disable", "disabled")
    return "microsoft-standard" in platform.uname().release
