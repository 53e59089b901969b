"""Hostile checkpoints: one line, exit code 2, no code runs, little memory."""

from __future__ import annotations

import io
import os
import pickle
import re
import resource
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files import checkpoint_archive
from tests.commands.running import lrdecay

MIB = 2**20 if sys.platform == "darwin" else 2**10
"""In the unit of ru_maxrss."""
GROUPS = [{"lr": 0.1, "weight_decay": 0.0, "lr_scale": 1.0, "params": [0], "param_names": ["head.weight"]}]


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def checkpoint(**more: Any) -> dict[str, Any]:
    return {
        "state_dict": {"head.weight": torch.zeros(2, 3)},
        "optimizer": {"state": {}, "param_groups": GROUPS},
        **more,
    }


def _zip(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(f"archive/{name}", data)


def _pickled(path: Path, raw: bytes) -> None:
    _zip(path, {"data.pkl": raw, "byteorder": b"little", "version": b"3\n"})


def _bomb(path: Path) -> None:
    torch.save(checkpoint(meta=Calls(os.system, f"touch {path.parent}/ran")), path)


def _nested_bomb(path: Path) -> None:
    deep: Any = Calls(os.system, f"touch {path.parent}/ran")
    for _ in range(50):
        deep = {"a": [deep]}
    torch.save(checkpoint(message_hub=deep), path)


def _bomb_in_the_end(path: Path) -> None:
    _pickled(path, pickle.dumps(Calls(exec, f"open('{path.parent}/ran', 'w')"), protocol=2))


def _bomb_by_getattr(path: Path) -> None:
    """Build ``getattr(getattr(HistoryBuffer, '__init__'), '__globals__')['os'].system`` from harmless objects."""
    history = b"cmmengine.logging.history_buffer\nHistoryBuffer\n"
    reach = b"\x80\x02c__builtin__\ngetattr\n" + history + b"X\x08\x00\x00\x00__init__\x86R"
    _pickled(path, reach + b"X\x01\x00\x00\x00a\x85R.")


def _bomb_by_stack(path: Path) -> None:
    _pickled(path, pickle.dumps(Calls(os.system, f"touch {path.parent}/ran"), protocol=4))


def _legacy(path: Path) -> None:
    torch.save(
        checkpoint(meta=Calls(os.system, f"touch {path.parent}/ran")), path, _use_new_zipfile_serialization=False
    )


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        data = pickle.dumps(Calls(os.system, f"touch {path.parent}/ran"))
        member = tarfile.TarInfo("pickle")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


def _two_archives(path: Path) -> None:
    """A valid archive after a hostile one; readers may use either."""
    _bomb(path)
    hostile = path.read_bytes()
    torch.save(checkpoint(), path)
    path.write_bytes(hostile + path.read_bytes())


def _other_directory(path: Path) -> None:
    """Two archives that share one end record: Python reads the archive before it, torch the archive at its offset."""
    hostile = pickle.dumps(Calls(os.system, f"touch {path.parent}/ran"), protocol=2)
    _pickled(path, hostile)
    first = path.read_bytes()
    # A text of the same length, so that the directories of both are at the same offset.
    text = b"a" * (len(hostile) - 8)
    _pickled(path, b"\x80\x02X" + struct.pack("<I", len(text)) + text + b".")
    path.write_bytes(first[: first.index(b"PK\x05\x06")] + path.read_bytes())


def _cut(path: Path) -> None:
    torch.save(checkpoint(), path)
    path.write_bytes(path.read_bytes()[:-200])


def _flipped(path: Path) -> None:
    torch.save(checkpoint(), path)
    path.write_bytes(path.read_bytes().replace(b"weight_decay", b"weight_decaz", 1))


def _zip_bomb(path: Path) -> None:
    _zip(path, {"data.pkl": bytes(2**28)}, zipfile.ZIP_DEFLATED)


def _absurd_size(path: Path) -> None:
    torch.save(checkpoint(), path)
    raw = bytearray(path.read_bytes())
    entry = raw.index(b"PK\x01\x02")
    raw[entry + 20 : entry + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    path.write_bytes(raw)


def _absurd_directory(path: Path) -> None:
    """A sparse file of 8 GiB that declares a directory of half its size."""
    size = 2**33
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.seek(size)
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**26, 2**26, size // 2, size // 2)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, size, 1)
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        file.write(record + locator + end)


def _large_bytearray(path: Path) -> None:
    """``weights_only`` allows this: a call of thirty bytes that creates 64 GiB of zeros."""
    _pickled(path, b"\x80\x02c__builtin__\nbytearray\n" + pickle.LONG1 + b"\x05\x00\x00\x00\x00\x10\x85R.")


def _large_tensor(path: Path) -> None:
    _pickled(path, b"\x80\x02ctorch\nTensor\nJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86R.")


def _tensor_beyond_its_storage(path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(8)}}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    entries["data.pkl"] = entries["data.pkl"].replace(b"K\x08\x85", b"J\x00\x00\x00\x7f\x85", 1)
    _zip(path, entries)


def _program(path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))


def _array(path: Path) -> None:
    """An array does no harm but is not a checkpoint."""
    torch.save(np.zeros(3), path)


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "os.system": (_bomb, r"uses '(posix|nt)\.system'.* lrdecay did not run its code"),
    "nested": (_nested_bomb, r"uses '(posix|nt)\.system'"),
    "exec": (_bomb_in_the_end, r"uses 'builtins\.exec'"),
    "getattr": (_bomb_by_getattr, "is not a valid checkpoint"),
    "stack": (_bomb_by_stack, r"not a pickle of torch\.save \(STACK_GLOBAL\)"),
    "legacy": (_legacy, "is a bare pickle, the format of torch before 1.6"),
    "tar": (_tar, "is a tar archive, the format of torch before 1.6"),
    "other directory": (_other_directory, "is not a valid checkpoint .*the zip file has two tables of contents"),
    "cut": (_cut, "is damaged or incomplete"),
    "flipped": (_flipped, "is damaged or incomplete"),
    "zip bomb": (_zip_bomb, "has compressed entries"),
    "absurd size": (_absurd_size, "declares more data than the file contains"),
    "absurd directory": (_absurd_directory, "the table of contents of the zip file is too large"),
    "bytearray": (_large_bytearray, r"uses 'builtins\.bytearray'"),
    "tensor": (_large_tensor, r"uses 'torch\.Tensor'"),
    "storage": (_tensor_beyond_its_storage, "is not a valid checkpoint"),
    "TorchScript": (_program, "is a TorchScript program"),
    "array": (_array, "not the dict of a checkpoint"),
    "garbage in the pickle": (lambda path: _pickled(path, b"\x80\x02\xff\xff"), "is damaged"),
    "other zip": (lambda path: _zip(path, {"a.txt": b"a"}), r"not one that torch\.save wrote"),
    "two pickles": (lambda path: _zip(path, {"data.pkl": b".", "b/data.pkl": b"."}), r"not one that torch\.save wrote"),
    "text": (lambda path: path.write_text("model = dict()") and None, "is not a checkpoint"),
    "empty": (Path.touch, "is empty"),
    "directory": (Path.mkdir, "is a directory, not a checkpoint"),
    "pipe": (lambda path: os.mkfifo(path), "is not a file"),
    "missing": (lambda path: (path.parent / "epoch_3.pth").touch(), r"no such file; did you mean .*epoch_3\.pth\?"),
    "no optimizer": (lambda path: torch.save({"state_dict": {}}, path), "contains no optimizer"),
    "a list": (lambda path: torch.save([1], path), "contains a list, not the dict of a checkpoint"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_one_line_and_exit_code_2(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # An explicit setting has priority over it.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    make, message = HOSTILE[kind]
    path = tmp_path / "epoch_2.pth"
    make(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert run(["inspect", str(path)]) == 2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    shown = capfd.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert shown.err.startswith(f"lrdecay: {path}: ")
    assert re.search(message, shown.err), shown.err
    assert not (tmp_path / "ran").exists()
    assert grown < 200 * MIB


def test_a_pickle_larger_than_any_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(checkpoint(), tmp_path / "a.pth")
    monkeypatch.setattr(checkpoint_archive, "_LARGEST_PICKLE", 2 * 2**20)
    assert checkpoint_archive.read_pickle(str(tmp_path / "a.pth"))
    torch.save(checkpoint(meta="a" * (2 * 2**20)), tmp_path / "a.pth")
    with pytest.raises(LrdecayError, match=r"a\.pth: contains more than 2 MiB besides its tensors"):
        checkpoint_archive.read_pickle(str(tmp_path / "a.pth"))


def test_a_file_that_the_system_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(LrdecayError) as refused:
        checkpoint_archive.read_pickle(str(tmp_path / f"{'a' * 300}.pth"))
    assert refused.value.line().endswith(".pth: cannot read: File name too long")


def test_of_two_archives_in_one_file_neither_is_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _two_archives(tmp_path / "two.pth")
    run(["inspect", str(tmp_path / "two.pth")])
    assert "Traceback" not in capfd.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    group = {**GROUPS[0], "param_names": ["head.\x1b[2Jweight"], "\x1b[2J": "\x1b[2J"}
    torch.save(
        {**checkpoint(), "optimizer": {"param_groups": [group]}, "meta": {"cfg": "model=dict(type='\x1b[2J')"}},
        tmp_path / "a.pth",
    )
    assert run(["inspect", str(tmp_path / "a.pth")]) == 2
    torch.save({**checkpoint(meta={"cfg": "model=dict(type='\x1b[2J')"})}, tmp_path / "b.pth")
    assert run(["inspect", str(tmp_path / "b.pth")]) == 0
    evil = tmp_path / "c.pth"
    _pickled(evil, b"\x80\x02cos\x1b[2J\nsystem\n.")
    assert run(["inspect", str(evil)]) == 2
    assert "\x1b" not in "".join(capfd.readouterr())


@pytest.mark.slow
def test_two_gigabytes_cost_little(tmp_path: Path) -> None:
    """Write sparsely: 2 GiB of weights and 2 GiB of optimizer state."""
    with torch.serialization.skip_data():
        weight = torch.empty(2**14, 2**15)
        saved = checkpoint(state_dict={"head.weight": weight})
        saved["optimizer"] = {"state": {0: {"exp_avg": torch.empty_like(weight)}}, "param_groups": GROUPS}
        torch.save(saved, tmp_path / "large.pth")
    torch.save(checkpoint(), tmp_path / "small.pth")
    assert (tmp_path / "large.pth").stat().st_size > 2**32
    measure = (
        "import resource, sys; from lrdecay_cli.app.shell.main import run; code = run(['inspect', sys.argv[1]]);"
        "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)); sys.exit(code)"
    )
    peaks = []
    for name in ("small", "large"):
        done = subprocess.run(
            [sys.executable, "-c", measure, str(tmp_path / f"{name}.pth")], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr))
    assert peaks[1] - peaks[0] < 64 * MIB, peaks
    assert "536,870,912 parameters" in lrdecay("inspect", tmp_path / "large.pth").out
