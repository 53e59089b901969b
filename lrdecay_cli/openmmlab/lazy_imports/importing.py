"""Importing torch so that an interrupt does not end in a core dump."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any


def import_torch() -> None:
    """Import torch. Ctrl-C and SIGTERM wait until that is done; whoever sends a second one does not wait.

    C++ code of torch calls Python while it is imported. An exception of a signal handler, raised in there, aborts the
    process (``terminate called after throwing an instance of 'pybind11::error_already_set'``), and nothing is cleaned
    up.
    """
    handlers: dict[int, Any] = {}
    if "torch" not in sys.modules and threading.current_thread() is threading.main_thread():
        known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers = {number: handler for number, handler in known.items() if callable(handler)}
    came: list[tuple[int, FrameType | None]] = []

    def wait(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        restore()

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    for number in handlers:
        signal.signal(number, wait)
    try:
        import torch  # noqa: F401
    finally:
        restore()
    for number, frame in came:
        handlers[number](number, frame)
