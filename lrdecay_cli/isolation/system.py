"""Call Linux functions that Python's standard library does not provide."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

PR_SET_NO_NEW_PRIVS = 38


class NotOfferedError(Exception):
    """Raised if the system does not support a restriction of the sandbox. The message is shown to the user."""


def libc() -> ctypes.CDLL:
    """Return the C library.

    Raises:
        NotOfferedError: the system is not Linux.
    """
    if sys.platform != "linux":
        raise NotOfferedError(f"not available on {sys.platform}")
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """Call a C function that returns -1 on failure, and return its result.

    Raises:
        NotOfferedError: the function fails. The message is the error text of the system.
    """
    function = getattr(libc(), name)
    # Variadic functions take arguments unconverted, so pass all as wide as a register.
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = int(function(*wide))
    if result < 0:
        raise NotOfferedError(os.strerror(ctypes.get_errno()).lower())
    return result


def give_up_privileges() -> None:
    """Set the flag no_new_privs for this process and its child processes.

    Without this flag, Landlock and seccomp work only for root.
    """
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
