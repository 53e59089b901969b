"""Full disks, closed streams, unusual locales, line ends and paths: success, or one line and exit code 2."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files.writing import to_json
from tests.commands.running import COMMAND, lrdecay
from tests.group_maps import group_map
from tests.hardening.odd_configs import ORDINARY

SHAPES = {f"backbone.blocks.{n}.conv.weight": (8, 3) for n in range(300)}
MAP = to_json(group_map({"decay": {"parameters": SHAPES}}))
FULL = "ulimit -f 0; "
"""Let no process write a byte to any file, which looks like a full disk to a writer."""

# Shell command, exit code, and text on stderr; there is no other text, and with exit code 2 it is one line.
STREAMS: dict[str, tuple[str, int, str]] = {
    "a full disk": (f"{FULL}$L inspect map.json --output json=out.json --format csv", 2, "out.json: cannot write"),
    "a full disk, html": (f"{FULL}$L inspect map.json -o html=out.html", 2, "out.html: cannot write"),
    "a full disk, baselines": (f"{FULL}$L baseline map.json -o new", 2, "cannot write: File too large"),
    "a full disk, journal": (f"{FULL}$L scan a.py --resume journal --device meta", 2, "journal: cannot write"),
    "stdout full": ("$L inspect map.json --format json > /dev/full", 2, "stdout: cannot write: No space left"),
    "stdout full, help": ("$L --help > /dev/full", 2, "cannot write: No space left"),
    "output full": ("$L inspect map.json --output json=/dev/full", 2, "/dev/full: cannot write: No space left"),
    "stderr full": ("$L inspect no.json 2> /dev/full", 2, ""),
    "stderr full, clean": ("$L inspect map.json 2> /dev/full", 0, ""),
    "head": ("$L inspect map.json --format json | head -1; exit ${PIPESTATUS[0]}", 0, ""),
    "head of a large report": ("$L inspect large.json --by parameter | head -1; exit ${PIPESTATUS[0]}", 0, ""),
    "stdout closed": ("$L inspect map.json >&-", 2, "stdout is closed"),
    "stderr closed": ("$L inspect map.json 2>&-", 0, ""),
    "stderr closed, bad": ("$L inspect no.json 2>&-", 2, ""),
    "stdin closed": ("$L inspect - <&-", 2, "-: stdin is closed"),
    "stdin closed, not needed": ("$L inspect map.json <&-", 0, ""),
    "all closed": ("$L inspect map.json <&- >&- 2>&-", 2, ""),
    "no temporary folder": ("TMPDIR=/nowhere $L inspect map.json --output json=out.json --format csv", 0, ""),
    "no such folder": ("$L inspect map.json --output json=no/out.json", 2, "no/out.json: cannot write: No such file"),
    "a folder where files cannot be": ("$L inspect map.json --output json=/proc/out.json", 2, "cannot write"),
    "maps where folders cannot be": ("$L baseline map.json -o /proc/new", 2, "cannot write"),
    "a name too long": ("$L inspect map.json --output json=$(printf '%05000d' 1).json", 2, "File name too long"),
    "a map without an end": ("$L inspect zero.json", 2, "zero.json: the file is larger than 256 MiB"),
    "a config without an end": ("$L inspect zero.py", 2, "zero.py: the path is not a regular file"),
    "a link to itself": ("$L inspect loop.json", 2, "loop.json: cannot read: Too many levels of symbolic links"),
    "no folder": ("cd gone; rmdir ../gone; $L inspect map.json", 2, "no such file"),
    "no folder, absolute": ("M=$PWD/map.json; cd gone; rmdir ../gone; $L inspect $M", 0, ""),
    "no folder, output": ("M=$PWD/map.json; cd gone; rmdir ../gone; $L inspect $M -o json=x", 2, "x: cannot write"),
    "no folder, baseline": ("M=$PWD/map.json; cd gone; rmdir ../gone; $L baseline $M -o b", 2, "no longer exists"),
    "no folder, config": ("C=$PWD/a.py; cd gone; rmdir ../gone; $L inspect $C", 2, "directory no longer exists"),
    "no folder, scan": ("C=$PWD/a.py; cd gone; rmdir ../gone; $L scan $C", 2, "directory no longer exists"),
    "ascii": ("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 $L inspect map.json --by module", 0, ""),
    "ascii streams": ("PYTHONIOENCODING=ascii $L inspect map.json --by module", 0, ""),
    "latin-1": ("PYTHONIOENCODING=latin-1 $L diff map.json map.json", 0, ""),
    "Windows line ends": ("$L diff windows.json map.json", 0, ""),
    "a byte order mark": ("$L diff bom.json map.json", 0, ""),
    "UTF-16": ("$L inspect utf16.json", 2, "utf16.json: the file is not UTF-8 text"),
    "settings with Windows line ends": ("cd windows; $L check ../map.json --fail-on error", 0, ""),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text(ORDINARY)
    (tmp_path / "map.json").write_text(MAP)
    (tmp_path / "large.json").write_text(
        to_json(group_map({"decay": {"parameters": dict.fromkeys(map(str, range(9000)), ())}}))
    )
    (tmp_path / "windows.json").write_bytes(MAP.replace("\n", "\r\n").encode())
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + MAP.encode())
    (tmp_path / "utf16.json").write_bytes(MAP.encode("utf-16"))
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "gone").mkdir()
    (tmp_path / "windows").mkdir()
    (tmp_path / "windows" / "lrdecay.toml").write_bytes(b'\xef\xbb\xbfselect = ["LRD4"]\r\njobs = 1\r\n')
    return tmp_path


@pytest.mark.parametrize("case", STREAMS)
def test_streams_and_disks(case: str, folder: Path) -> None:
    script, code, message = STREAMS[case]
    before = {path.name for path in folder.rglob("*")}
    done = subprocess.run(
        ["bash", "-c", script.replace("$L", shlex.join(COMMAND))], cwd=folder, capture_output=True, timeout=120,
        check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    err = done.stderr.decode()
    assert done.returncode == code, err
    assert message in err
    assert "internal error" not in err
    assert err.count("\n") == (1 if message else 0), err
    left = {path.name for path in folder.rglob("*")} - before - {"__pycache__"}
    assert left <= ({"out.json"} if code == 0 else {"journal", "new"}), left


NAMES = (
    "with space", "ünïcode 模型", "new\nline", "-dash", "x" * 240, "per%cent", "back\\slash", "quote'\"q", "a=b",
    "[bold]x[red]", "100:200", "*star?", "~tilde", "$HOME", "{{ fileDirname }}", "\x1b[2J", "\udcff\udcfe", "trailing ",
    ".hidden",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_of_maps(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / name
    folder.mkdir()
    path, other = folder / f"{name}.json", folder / f"{name}.2.json"
    path.write_text(MAP)
    assert (
        run(["inspect", str(path), "--format", "csv", "--output", f"json={other}", "--output", f"html={path}.html"])
        == 0
    )
    assert other.read_text() == MAP
    assert run(["diff", str(path), str(other)]) == 0
    assert run(["check", str(folder), "--fail-on", "error"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert all(character.isprintable() or character == "\n" for character in out)


def test_names_of_configs(tmp_path: Path) -> None:
    """One scan of all but the hidden one, with Windows line ends; an unprintable name gives a one-line error."""
    names = [name for name in NAMES if name.isprintable() and not name.startswith(".")]
    for name in names:
        (tmp_path / f"{name}.py").write_bytes(ORDINARY.replace("\n", "\r\n").encode())
    scanned = lrdecay("scan", ".", "--device", "meta", "--format", "json", "--maps", "maps", cwd=tmp_path)
    assert (scanned.code, scanned.err) == (0, "")
    records = json.loads(scanned.out)["records"]
    assert {record["config"] for record in records} == {f"{name}.py" for name in names}
    assert {record["status"] for record in records} == {"ok"}
    assert len(list((tmp_path / "maps").rglob("*.json"))) == len(names)
    for name in NAMES:
        if name.isprintable():
            continue
        (tmp_path / f"{name}.py").write_text(ORDINARY)
        refused = lrdecay("scan", ".", cwd=tmp_path)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert "the name of the config contains unprintable" in refused.err
        (tmp_path / f"{name}.py").unlink()
