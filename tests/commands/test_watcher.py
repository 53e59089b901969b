"""Changes are noticed by system events, or by polling where the system has none."""

from __future__ import annotations

import errno
import select
import signal
from pathlib import Path

import pytest
from watchfiles import _rust_notify

from lrdecay_cli.app.watching.watcher import POLLING, Watcher

_LONGEST = 60


@pytest.mark.parametrize(
    ("forced", "limit", "polls"),
    [
        pytest.param("", False, False, id="system events"),
        pytest.param("1", False, True, id="polling"),
        pytest.param("", True, True, id="polling, for the limit on system events is reached"),
    ],
)
def test_a_saved_file_wakes_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forced: str, limit: bool, polls: bool
) -> None:
    monkeypatch.setenv(POLLING, forced)
    monkeypatch.setenv("WATCHFILES_POLL_DELAY_MS", "20")
    real = _rust_notify.RustNotify

    def limited(folders: list[str], debug: bool, polling: bool, *more: object) -> object:
        if limit and not polling:
            raise OSError(errno.ENOSPC, "OS file watch limit reached.")
        return real(folders, debug, polling, *more)

    monkeypatch.setattr(_rust_notify, "RustNotify", limited)
    watcher = Watcher()
    try:
        watcher.follow([str(tmp_path)])
        assert watcher.polls is polls
        (tmp_path / "config.py").write_text("a = 1")
        ready, _, _ = select.select([watcher.reader], [], [], _LONGEST)
        assert ready
        assert str(tmp_path / "config.py") in watcher.take()
    finally:
        watcher.close()


def test_a_signal_just_before_the_wait_ends_the_wait() -> None:
    watcher = Watcher()
    before = signal.signal(signal.SIGWINCH, lambda *_: None)
    try:
        signal.raise_signal(signal.SIGWINCH)
        assert select.select([watcher.reader], [], [], 0)[0]
    finally:
        signal.signal(signal.SIGWINCH, before)
        watcher.close()
    assert signal.set_wakeup_fd(-1) == -1
