"""Journals: finished configs are recorded, and only finished configs are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.scan import ScanRecord
from lrdecay_cli.processes.sources import content_hash
from lrdecay_cli.scanning.journal import Journal


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, str]:
    """Return a journal with a config's record."""
    config = tmp_path / "config.py"
    config.write_text("model = 1")
    base = tmp_path / "base.py"
    base.write_text("lr = 1")
    with Journal(tmp_path / "journal", ["cpu"]) as journal:
        journal.add(ScanRecord(config=str(config), status="ok"), 1.5, {str(base): content_hash(str(base))})
    return tmp_path / "journal", str(config)


def known(file: Path, config: str, *options: str) -> bool:
    with Journal(file, options or ["cpu"]) as journal:
        return journal.done(config) is not None


def test_a_finished_config_is_recorded(recorded: tuple[Path, str]) -> None:
    assert known(*recorded)


def test_other_options_another_text_and_another_name_are_not_done(recorded: tuple[Path, str], tmp_path: Path) -> None:
    file, config = recorded
    assert not known(file, config, "meta")
    assert not known(file, config, "cpu", "a=1")
    assert not known(file, str(tmp_path / "other.py"))
    Path(config).write_text("model = 2")
    assert not known(file, config)


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_line_that_was_cut_off_is_dropped_and_written_over(recorded: tuple[Path, str], cut: int) -> None:
    file, config = recorded
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:cut])
    assert known(file, config)
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    "text", ["model = dict()\n", "{}\n", "no line end", '{"key": "a", "record": 1, "seconds": 1}\n']
)
def test_a_file_that_is_no_journal_is_refused_and_left_alone(text: str, tmp_path: Path) -> None:
    file = tmp_path / "precious.py"
    file.write_text(text)
    with pytest.raises(LrdecayError, match="is not the journal"), Journal(file, []):
        pass
    assert file.read_text() == text


def test_an_edit_of_an_input_invalidates_the_record(recorded: tuple[Path, str], tmp_path: Path) -> None:
    before = (tmp_path / "base.py").stat()
    (tmp_path / "base.py").write_text("lr = 2")
    # Not even with its time stamp restored.
    os.utime(tmp_path / "base.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not known(*recorded)
    (tmp_path / "base.py").unlink()
    assert not known(*recorded)


@pytest.mark.parametrize("status", ["error", "timeout", "crashed", "needs mmcv"])
def test_failures_are_retried(tmp_path: Path, status: str) -> None:
    (tmp_path / "config.py").write_text("model = 1")
    config = str(tmp_path / "config.py")
    with Journal(tmp_path / "journal", ["cpu"]) as journal:
        journal.add(ScanRecord(config=config, status=status), 1.5, {config: content_hash(config)})
    assert not known(tmp_path / "journal", config)


def test_another_version_of_the_stack_is_not_done(recorded: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrdecay_cli.scanning.journal.versions", lambda: {"torch": "0.1"})
    assert not known(*recorded)
