"""Run the command line in this process, which is faster, for commands that need no torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.app.shell.main import run
from tests.commands.running import UNSET, Result, Run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Call the command with arguments and environment variables; it runs in ``tmp_path``, the root of a repository."""
    (tmp_path / ".git").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str | Path, **environment: str) -> Result:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            capfd.readouterr()
            code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call
