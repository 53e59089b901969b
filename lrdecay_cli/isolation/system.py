"""Calling Linux for what Python's library has no function for."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

PR_SET_NO_NEW_PRIVS = 38


class NotOfferedError(Exception):
    """The system does not offer this way of confining, in words to show."""


def libc() -> ctypes.CDLL:
    """The C library. Raises NotOfferedError on anything but Linux."""
    if sys.platform != "linux":
        raise NotOfferedError(f"{sys.platform} has none of it")
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """A function of the C library that returns -1 on failure. Raises NotOfferedError with the system's reason."""
    function = getattr(libc(), name)
    # Variadic ones take their arguments as they come, so all are as wide as a register.
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = int(function(*wide))
    if result < 0:
        raise NotOfferedError(os.strerror(ctypes.get_errno()).lower())
    return result


def give_up_privileges() -> None:
    """Let this process and its children never gain any: what Landlock and seccomp ask of who is not root."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
