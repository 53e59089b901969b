"""What the stack prints and logs goes to stderr, or nowhere."""

from __future__ import annotations

import logging
import sys
from io import StringIO

import pytest
from mmengine.logging import MMLogger

from lrdecay_cli.openmmlab.build_context import quiet_stack


@pytest.fixture
def handler() -> logging.StreamHandler:
    return next(one for one in MMLogger.get_current_instance().handlers if isinstance(one, logging.StreamHandler))


def test_a_closed_stream_of_the_stack_is_no_error(
    handler: logging.StreamHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under pytest, mmengine's logger keeps the captured stream of the first test that used it."""
    closed = StringIO()
    closed.close()
    monkeypatch.setattr(handler, "stream", closed)
    with quiet_stack(verbose=True):
        assert handler.stream is sys.stderr
    assert handler.stream is closed


@pytest.mark.parametrize("verbose", [False, True])
def test_prints_and_logs(
    verbose: bool, handler: logging.StreamHandler, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests want the logger silent.
    monkeypatch.setattr(handler, "level", logging.NOTSET)
    with quiet_stack(verbose):
        sys.stdout.write("printed\n")
        MMLogger.get_current_instance().info("logged")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "printed" in captured.err
    assert ("logged" in captured.err) == verbose
