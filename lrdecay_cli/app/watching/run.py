"""Run the watched command in a child process. The child is forked in advance, before a file changes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from lrdecay_cli.app.watching.answering import LENGTH, Output, collect_streams, prepare, run_command
from lrdecay_cli.processes.children import Outcome, Worker


class Run:
    """A child process that waits for :meth:`start` and then runs the command once.

    Args:
        words: the command line.
        inherited: the files of the modules that the parent loaded.
        warm: True if the parent loaded torch and the OpenMMLab packages. In this case, nothing is cached.
        plain: True to build without the shortcuts that save time.
    """

    def __init__(self, words: Sequence[str], *, inherited: Sequence[str], warm: bool, plain: bool) -> None:
        self.reader, writer = os.pipe()
        wait, self._starts = os.pipe()

        def work() -> bytes:
            os.close(self._starts)
            prepare(inherited=inherited, warm=warm, plain=plain)
            # At the end of file, the parent is gone.
            if not os.read(wait, 1):
                os._exit(1)
            return run_command(words, writer)

        self._worker = Worker(work, collect_streams)
        os.close(writer)
        os.close(wait)
        os.set_blocking(self.reader, False)
        self._received = bytearray()

    def start(self) -> None:
        """Make the waiting child run the command."""
        # A child that is gone is found by poll().
        with suppress(BrokenPipeError):
            os.write(self._starts, b".")

    def fileno(self) -> int:
        """Return a file descriptor. When it becomes readable, call :meth:`poll`."""
        return self._worker.fileno()

    def poll(self) -> Outcome | None:
        """Return the outcome of the child; None while the child waits or runs."""
        return self._worker.poll()

    def output(self) -> Output | None:
        """Return the output of the command; None until the output is complete."""
        with suppress(BlockingIOError):
            while chunk := os.read(self.reader, 1 << 20):
                self._received += chunk
        end = LENGTH + int.from_bytes(self._received[:LENGTH], "little")
        if len(self._received) < max(LENGTH, end):
            return None
        return msgspec.msgpack.decode(self._received[LENGTH:end], type=Output)

    def stop(self) -> None:
        """Kill the child if it is still running."""
        self._worker.stop()
        for descriptor in (self.reader, self._starts):
            os.close(descriptor)
