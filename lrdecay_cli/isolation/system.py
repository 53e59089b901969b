"""Call Linux functions that Python's library lacks."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

PR_SET_NO_NEW_PRIVS = 38


class NotOfferedError(Exception):
    """The system does not support this restriction; the message is for the user."""


def libc() -> ctypes.CDLL:
    """Return the C library. Raises NotOfferedError except on Linux."""
    if sys.platform != "linux":
        raise NotOfferedError(f"not available on {sys.platform}")
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """Call a C function that returns -1 on failure. Raises NotOfferedError with the system's reason."""
    function = getattr(libc(), name)
    # Variadic functions take arguments unconverted, so pass all as wide as a register.
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = int(function(*wide))
    if result < 0:
        raise NotOfferedError(os.strerror(ctypes.get_errno()).lower())
    return result


def give_up_privileges() -> None:
    """Set no_new_privs for this process and its children: Landlock and seccomp need it without root."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
