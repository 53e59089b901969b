"""Delay Ctrl-C and SIGTERM while an interrupt would do harm or be lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def delayed_interrupts() -> Iterator[Callable[[], None]]:
    """Delay SIGINT and SIGTERM to the end of the block; a second signal takes effect at once.

    Yields a function that restores the handlers, for a child process that is forked in the block.

    Blocking the signals (``signal.pthread_sigmask``) would not be enough: if another thread runs, the system gives the
    signal to that thread, and Python then calls the handler in the main thread, which is the one in the block.
    """
    # Only the main thread runs handlers and may set them. What is not callable (SIG_DFL, SIG_IGN) runs no Python code.
    ours = threading.current_thread() is threading.main_thread()
    known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if ours}
    handlers: dict[int, Any] = {number: handler for number, handler in known.items() if callable(handler)}
    came: list[tuple[int, FrameType | None]] = []

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def wait(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        restore()

    try:
        for number in handlers:
            signal.signal(number, wait)
        yield restore
    finally:
        restore()
        for number, frame in came:
            handlers[number](number, frame)
