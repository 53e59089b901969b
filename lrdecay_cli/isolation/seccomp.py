"""Restrict the system calls of a process with the Linux mechanism seccomp.

System calls are denied if they affect more than the process and its files. For example, the process cannot open
sockets, signal other processes, read their memory, leave its process group, mount file systems or change kernel
settings. Calls that change the mode, owner or times of a file are also denied, because Landlock does not control them.

Source: the kernel's ``Documentation/userspace-api/seccomp_filter.rst``. The numbers of the calls come from the kernel's
tables ``syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Iterator

from lrdecay_cli.isolation.system import NotOfferedError, call, give_up_privileges

_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _IS, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020080
_TYPE_INTO_TERMINAL = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX. They insert text into the terminal, which the user's shell would execute."""

_COMMON = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "fchmodat2": 452, "setxattrat": 463,
    "removexattrat": 466,
}  # fmt: skip
_X86_64 = {
    "socket": 41, "connect": 42, "bind": 49, "listen": 50, "kill": 62, "chmod": 90, "fchmod": 91, "chown": 92,
    "fchown": 93, "lchown": 94, "ptrace": 101, "setpgid": 109, "setsid": 112, "rt_sigqueueinfo": 129, "utime": 132,
    "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166,
    "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
    "init_module": 175, "delete_module": 176, "quotactl": 179, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
    "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "tkill": 200, "clock_settime": 227, "utimes": 235,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "fchownat": 260, "futimesat": 261,
    "fchmodat": 268, "unshare": 272, "utimensat": 280, "rt_tgsigqueueinfo": 297, "perf_event_open": 298,
    "fanotify_init": 300, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "fchmod": 52, "fchmodat": 53, "fchownat": 54,
    "fchown": 55, "quotactl": 60, "utimensat": 88, "acct": 89, "unshare": 97, "kexec_load": 104, "init_module": 105,
    "delete_module": 106, "clock_settime": 112, "ptrace": 117, "kill": 129, "tkill": 130, "rt_sigqueueinfo": 138,
    "reboot": 142, "setpgid": 154, "setsid": 157, "sethostname": 161, "setdomainname": 162, "settimeofday": 170,
    "adjtimex": 171, "socket": 198, "bind": 200, "listen": 201, "connect": 203, "add_key": 217, "request_key": 218,
    "keyctl": 219, "swapon": 224, "swapoff": 225, "rt_tgsigqueueinfo": 240, "perf_event_open": 241,
    "fanotify_init": 262, "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270,
    "process_vm_writev": 271, "finit_module": 273, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_CLONE3 = 435
# By machine name: its number in the kernel's audit headers, the denied calls, ioctl, clone and tgkill.
_MACHINES = {
    "x86_64": (0xC000003E, _X86_64, 16, 56, 234),
    "aarch64": (0xC00000B7, _AARCH64, 29, 220, 131),
}

_Instruction = tuple[int, int, int, int]


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def refuse_calls() -> None:
    """Deny the system calls in the tables of this module, for this process and its child processes.

    Raises:
        NotOfferedError: the kernel or the machine does not support this.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        raise NotOfferedError(f"no filter for {machine}")
    code = b"".join(
        code.to_bytes(2, "little") + bytes([yes, no]) + value.to_bytes(4, "little")
        for code, yes, no, value in _program(machine, os.getpid())
    )
    instructions = ctypes.create_string_buffer(code, len(code))
    program = _Filter(len(code) // 8, ctypes.cast(instructions, ctypes.c_void_p))
    give_up_privileges()
    call("prctl", _SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)


def _program(machine: str, pid: int) -> Iterator[_Instruction]:
    architecture, numbers, ioctl, clone, tgkill = _MACHINES[machine]
    yield from ((_LOAD, 0, 0, _ARCHITECTURE), (_IS, 1, 0, architecture), _answer(errno.EPERM), (_LOAD, 0, 0, _NUMBER))
    # The x32 ABI has the same calls under other numbers.
    yield from ((_AT_LEAST, 0, 1, _X32), _answer(errno.EPERM))
    for number in (*numbers.values(), *_COMMON.values()):
        yield from ((_IS, 0, 1, number), _answer(errno.EPERM))
    # A filter cannot see clone3's flags. Callers that get ENOSYS fall back to clone.
    yield from ((_IS, 0, 1, _CLONE3), _answer(errno.ENOSYS))
    yield from _with_argument(clone, _FIRST_ARGUMENT, ((_HAS_BITS, 0, 1, _NEW_NAMESPACES), _answer(errno.EPERM)))
    # A process aborts by signalling its own thread.
    yield from _with_argument(tgkill, _FIRST_ARGUMENT, ((_IS, 1, 0, pid), _answer(errno.EPERM)))
    into_terminal = [step for request in _TYPE_INTO_TERMINAL for step in ((_IS, 0, 1, request), _answer(errno.EPERM))]
    yield from _with_argument(ioctl, _SECOND_ARGUMENT, into_terminal)
    yield (_RETURN, 0, 0, _ALLOW)


def _with_argument(
    number: int, offset: int, steps: list[_Instruction] | tuple[_Instruction, ...]
) -> list[_Instruction]:
    """Return filter instructions for the system call ``number``.

    The instructions load the call's argument at ``offset``, and ``steps`` check this argument. If no step denies the
    call, the call is allowed. For all other system calls, these instructions are skipped.
    """
    return [(_IS, 0, len(steps) + 2, number), (_LOAD, 0, 0, offset), *steps, (_RETURN, 0, 0, _ALLOW)]


def _answer(error: int) -> _Instruction:
    return (_RETURN, 0, 0, _REFUSE | error)
