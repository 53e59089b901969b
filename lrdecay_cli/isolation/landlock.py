"""Restrict the files that a process may read and write, by path, with the Linux mechanism Landlock.

Source: the kernel's ``Documentation/userspace-api/landlock.rst`` and ``include/uapi/linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from lrdecay_cli.isolation.system import call, give_up_privileges

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_TELL_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE, _DEVICE_IOCTL = (1 << bit for bit in (13, 14, 15))
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_IOCTL
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_WRITING = _WRITE_FILE | _REMOVE_AND_MAKE | _REFER | _TRUNCATE

_TCP = 3
"""Landlock rights to bind and to connect TCP sockets."""
_SCOPES = 3
"""Landlock scopes: no signals to processes outside the sandbox, and no connections to their abstract sockets."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Return the version of Landlock in the kernel, 1 or more.

    Raises:
        NotOfferedError: the kernel has no Landlock.
    """
    return call("syscall", _CREATE_RULESET, None, 0, _TELL_VERSION)


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Deny this process access to all files except those in ``readable`` and ``writable``. Writable files are also
    readable.

    Missing paths are skipped.

    Raises:
        NotOfferedError: the kernel has no Landlock.
    """
    offered = version()
    handled = _READING | _WRITE_FILE | _REMOVE_AND_MAKE
    handled |= (_REFER if offered >= 2 else 0) | (_TRUNCATE if offered >= 3 else 0)
    handled |= _DEVICE_IOCTL if offered >= 5 else 0
    rules = _Ruleset(handled, _TCP if offered >= 4 else 0, _SCOPES if offered >= 6 else 0)
    # A kernel accepts a longer record than it knows if the rest is zero.
    ruleset = call("syscall", _CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    try:
        for place in readable:
            _allow(ruleset, place, _READING & handled)
        for place in writable:
            _allow(ruleset, place, (_READING | _WRITING) & handled)
        give_up_privileges()
        call("syscall", _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, place: str, access: int) -> None:
    with suppress(OSError):
        place_fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(place_fd).st_mode):
                access &= _OF_FILES
            rule = _Beneath(access, place_fd)
            call("syscall", _ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(place_fd)
