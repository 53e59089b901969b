"""A watch on a pseudo-terminal or in pipes, forked from a process that has imported torch and mmdet."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

from tests.commands import preloaded
from tests.commands.running import UNSET, measured

_SHOWN = "Ctrl-C ends"
_LONGEST = 60.0

PLUG = """
from mmengine.registry import MODELS
from torch import nn

@MODELS.register_module()
class WatchedToy(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear({width}, 1)
"""
BASE = """
custom_imports = dict(imports=["watched_plug"])
model = dict(type="WatchedToy")
optim_wrapper = dict(optimizer=dict(type="SGD", lr={lr}))
"""
CONFIG = '_base_ = ["{base}"]\n'


def project(folder: Path) -> Path:
    """Write a config with a base and a plug-in into ``folder``, and return it."""
    (folder / "watched_plug.py").write_text(PLUG.format(width=3))
    (folder / "base.py").write_text(BASE.format(lr=0.25))
    config = folder / "config.py"
    config.write_text(CONFIG.format(base="base.py"))
    return config


def replace(path: Path, text: str) -> None:
    """Replace a file by another, as editors do."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


def ended(pid: int) -> bool:
    """Whether a process ends soon: the system may have to end it."""
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


class Watch:
    """A watch in ``folder``, with stdout and stderr on one terminal, or each in a pipe."""

    def __init__(self, folder: Path, *arguments: str, terminal: bool = True, **environment: str) -> None:
        inherited = {key: value for key, value in os.environ.items() if key not in UNSET}
        search = os.pathsep.join([str(folder), str(preloaded.ROOT), *sys.path])
        environment = {**inherited, "PYTHONPATH": search, "TERM": "xterm", "TMPDIR": str(folder), **environment}
        if terminal:
            self._reader, follower = pty.openpty()
            streams = [follower, os.dup(follower), os.dup(follower)]
        else:
            self._reader, writer = os.pipe()
            streams = [os.open(os.devnull, os.O_RDONLY), writer, os.dup(writer)]
        self.shown = ""
        """All output so far."""
        self._ended = False
        command = ([*arguments, "--watch"], str(folder), environment, streams)
        self._command = preloaded.Command(*command, measured=measured())

    def until(self, *texts: str) -> str:
        """Return the output from here until all ``texts`` have appeared in this order."""
        start = len(self.shown)
        while True:
            at = start
            for text in texts:
                found = self.shown.find(text, at)
                at = found + len(text) if found >= 0 else -1
                if at < 0:
                    break
            else:
                return self.shown[start:at]
            ready, _, _ = select.select([self._reader], [], [], _LONGEST)
            assert ready, f"{texts} is not in {self.shown[start:]!r}"
            try:
                chunk = os.read(self._reader, 65536)
            except OSError:
                chunk = b""
            assert chunk, f"ended without {texts}: {self.shown[start:]!r}"
            self.shown += chunk.decode().replace("\r\n", "\n")

    def answer(self, *texts: str) -> str:
        """Return the next report on a terminal, which contains ``texts`` in this order."""
        return self.until(*texts, _SHOWN)

    def resize(self, columns: int) -> None:
        """Give the terminal another width, and tell the command as the system does for a terminal in front."""
        fcntl.ioctl(self._reader, termios.TIOCSWINSZ, struct.pack("4H", 30, columns, 0, 0))
        os.kill(self._command.pid, signal.SIGWINCH)

    def children(self) -> list[int]:
        """Return the ids of its child processes, as soon as there is one. Linux only."""
        pid = self._command.pid
        end = time.monotonic() + _LONGEST
        while not (found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            assert time.monotonic() < end
            time.sleep(0.01)
        return [*map(int, found)]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Return its exit code after a signal."""
        os.kill(self._command.pid, number)
        return self.wait()

    def wait(self) -> int:
        """Return its exit code."""
        self._ended = True
        try:
            return self._command.wait(_LONGEST)
        finally:
            self.leave()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended:
            self.end(signal.SIGKILL)

    def leave(self) -> None:
        """Stop reading its output."""
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1
