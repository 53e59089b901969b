"""Temporary folders that are removed even after an interrupt."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def temporary_folder() -> Iterator[str]:
    """Create a temporary folder, yield its path, and remove the folder with its content afterwards.

    If SIGINT or SIGTERM arrives while the folder is created or removed, the signal waits until this is complete.
    """
    folder: tempfile.TemporaryDirectory[str] | None = None
    before = _block(())
    try:
        _block(_INTERRUPTS)
        folder = tempfile.TemporaryDirectory(prefix="lrdecay-", ignore_cleanup_errors=True)
        _restore(before)
        yield folder.name
    finally:
        _block(_INTERRUPTS)
        if folder is not None:
            folder.cleanup()
        _restore(before)


def _block(signals: Collection[signal.Signals]) -> set[int]:
    """Block ``signals`` in this thread, and return the signals that were already blocked; empty on Windows."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, signals) if hasattr(signal, "pthread_sigmask") else set()


def _restore(blocked: set[int]) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
