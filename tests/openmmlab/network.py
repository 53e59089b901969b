"""Count network requests of a process inside the interpreter, however a function was imported or patched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_EVENTS = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.getnameinfo",
    "socket.sendmsg",
    "socket.sendto",
}
_counting: list[list[tuple[Any, ...]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _counting and event in _EVENTS:
        _counting[-1].append((event, *arguments))
        raise ConnectionRefusedError(f"{event}{arguments}")


@contextmanager
def network_refused() -> Iterator[list[tuple[Any, ...]]]:
    """Refuse every network request in this block and yield the growing list of requests."""
    attempts: list[tuple[Any, ...]] = []
    _counting.append(attempts)
    try:
        yield attempts
    finally:
        _counting.remove(attempts)


# An audit hook cannot be removed, so there is one, which is inactive most of the time.
sys.addaudithook(_hook)
