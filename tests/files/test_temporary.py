"""A temporary folder is removed at every end, also if a signal arrives at any line."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from lrdecay_cli.files.temporary import temporary_folder
from lrdecay_cli.processes.children import in_children

_FUNCTIONS = (temporary_folder.__wrapped__.__code__.co_filename, "tempfile.py", "shutil.py")  # type: ignore[attr-defined]


def interrupted(moment: int, pause: float) -> bool:
    """Use a folder, with SIGINT at the line of this number; return False if there are fewer lines."""
    lines = iter(range(moment))
    sent = False

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal sent
        if frame.f_code.co_filename.endswith(_FUNCTIONS):
            if event == "line" and not sent and next(lines, None) is None:
                sent = True
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(pause)
            return trace
        return None

    sys.settrace(trace)
    try:
        with temporary_folder() as folder:
            Path(folder, "file").write_text("a")
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    return sent


@pytest.mark.parametrize("threads", [0, 1])
def test_an_interrupt_at_any_line_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    # In a child process: another tool may trace this one, and only a main thread gets signals.
    def work(_: str) -> bytes:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # If the main thread blocks a signal, another thread gets it, and soon the main thread learns of it.
        for _ in range(threads):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        moments: Iterator[int] = iter(range(10_000))
        left = {}
        while interrupted(moment := next(moments), 0.002 * threads):
            left[moment] = [path.name for path in tmp_path.iterdir()]
        return f"{moment > 10} {[each for each in left.items() if each[1]]}".encode()

    (outcome,) = in_children(["interrupts"], work, jobs=1)
    assert outcome.answer == b"True []"
