"""Tab completion: with the request of each shell's script, and once in a real bash on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrdecay_cli.app.shell.completion import joined
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files import to_json
from tests.commands.running import COMMAND, SAMPLES
from tests.group_maps import group_map


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "mine.py",
        "mine.json",
        "notes.txt",
        "epoch_3.pth",
        "lrdecay.toml",
        ".hidden.py",
        "configs/a b.py",
        "configs/base.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


CONVNEXT = "mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py"
# Typed words, the last one to be completed: some expected suggestions, and some that must not appear.
OFFERED = [
    ("ins", ["inspect"], ["diff"]),
    ("inspect m", ["mine.py", "mine.json", "mmdet::", "mmpretrain::"], ["notes.txt"]),
    ("inspect configs/", ["configs/base.py"], ["mine.py"]),
    ("inspect .h", [".hidden.py"], []),
    ("inspect mmdet::conv", ["mmdet::convnext/"], []),
    ("inspect mmdet::convnext/mask", [CONVNEXT], []),
    ("inspect mmdet::nowhere/", [], ["mmdet::convnext/"]),
    ("inspect nosuch::", [], []),
    ("inspect mine.py --format ", ["rich", "json", "html"], ["sarif", "svg", "python"]),
    ("schedule mine.py --format s", ["svg"], ["sarif"]),
    ("check mine.py --output s", ["sarif="], ["svg="]),
    ("inspect mine.py --sort l", ["lr", "lr_scale", "layer_id"], ["group"]),
    ("diff mine.py mine.json --only lr,w", ["lr,weight_decay"], ["lr,lr"]),
    ("schema s", ["scan", "schedule", "suggest"], ["map"]),
    ("check mine.py --config m", ["mine.py", "mine.json"], []),
    ("check mine.py --baseline con", ["configs/"], []),
    ("scan conf", ["configs/"], []),
    ("merge mi", ["mine.json"], ["mine.py"]),
    ("diff mine.py ep", ["epoch_3.pth"], []),
    ("explain ep", ["epoch_3.pth"], []),
    ("suggest ep", [], ["epoch_3.pth"]),
    ("check mine.py --settings ", ["lrdecay.toml", "configs/"], ["mine.json"]),
    ("inspect mine.py --output j", ["json="], ["markdown="]),
    ("inspect mine.py --by p", ["parameter"], ["group"]),
    ("inspect mine.py --device ", ["cpu", "meta"], []),
    ("diff mine.py mi", ["mine.json"], []),
    ("check mine.py --select LRD3", ["LRD301"], ["LRD201"]),
    ("check mine.py --ignore LRD301,lrd2", ["LRD301,lrd201"], ["lrd201"]),
    ("check mine.py --fail-on w", ["warning"], ["error"]),
    ("rule LRD9", ["LRD901"], ["LRD101"]),
    ("rule scale-a", ["scale-above-one"], ["LRD301"]),
    ("check mine.py --select LRD3,layer-g", ["LRD3,layer-gap"], []),
]


def offered(line: str, shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    words = f"lrdecay {line}".split(" ")
    if shell == "bash":
        # Words as bash splits them, also at colons.
        split = [part for word in words for part in (re.split("(::)", word) if "::" in word else [word])]
        split = split[:-1] if "::" in words[-1] and not split[-1] else split
        monkeypatch.setenv("COMP_WORDS", "\n".join(split))
        monkeypatch.setenv("COMP_CWORD", str(len(split) - 1))
    else:
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"lrdecay {line}")
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("_LRDECAY_COMPLETE", f"complete_{shell}")
    assert run([]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return [line.partition("\t")[0] for line in captured.out.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(("line", "there", "not_there"), OFFERED)
def test_offered(
    line: str,
    there: list[str],
    not_there: list[str],
    shell: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = offered(line, shell, monkeypatch, capsys)
    # bash keeps the text before the last colon.
    known = re.match(".*::", line.split(" ")[-1])
    cut = len(known[0]) if known and shell == "bash" else 0
    assert {each[cut:] for each in there} <= set(found)
    assert not {each[cut:] for each in not_there} & set(found)


MAP_NAMES = ("backbone.stem.weight", "backbone.layer1.0.weight", "backbone.layer1.0.bias", "neck.weight")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("explain map.json b", ["backbone"]),
        ("explain map.json backbone.", ["backbone.layer1", "backbone.stem"]),
        ("explain map.json neck backbone.lay", ["backbone.layer1"]),
        ("explain map.json backbone.layer1.0.w", ["backbone.layer1.0.weight"]),
        ("explain map.json nowhere.", []),
        ("explain mine.json b", []),
        ("explain mine.py b", []),
    ],
)
def test_parameters_of_a_map_are_offered_level_by_level(
    line: str, expected: list[str], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parameters of a config are not completed, because the config would have to be built."""
    made = group_map({"all": {"parameters": dict.fromkeys(MAP_NAMES, (2, 2))}})
    (project / "map.json").write_text(to_json(made))
    assert [each for each in offered(line, "bash", monkeypatch, capsys) if each] == expected


@pytest.mark.parametrize(
    ("line", "index", "expected"),
    [
        ("lrdecay\ninspect\nmmdet\n::\nconv", 4, (["lrdecay", "inspect", "mmdet::conv"], 2, "mmdet::")),
        ("lrdecay\ninspect\nmmdet\n::", 3, (["lrdecay", "inspect", "mmdet::"], 2, "mmdet::")),
        ("lrdecay\ndiff\nmmdet\n::\na.py\nmm", 5, (["lrdecay", "diff", "mmdet::a.py", "mm"], 3, "")),
        ("lrdecay\ndiff\na.py\nb", 3, (["lrdecay", "diff", "a.py", "b"], 3, "")),
    ],
)
def test_words_of_bash(line: str, index: int, expected: tuple[list[str], int, str]) -> None:
    assert joined(line, index) == expected


def test_a_real_bash_completes_a_zoo_name(tmp_path: Path) -> None:
    script = subprocess.run(
        [*COMMAND, "--show-completion", "bash"], capture_output=True, text=True, check=True, cwd=SAMPLES.parent,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    ).stdout  # fmt: skip
    command = tmp_path / "lrdecay"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={SAMPLES.parent} exec {sys.executable} -m lrdecay_cli "$@"\n')
    command.chmod(0o755)
    (tmp_path / "rc").write_text(
        f'PATH={tmp_path}:$PATH\nPS1="> "\nstty cols 300\nbind "set bell-style none"\n{script}\n'
    )
    leader, follower = pty.openpty()
    bash = subprocess.Popen(
        ["bash", "--rcfile", str(tmp_path / "rc"), "-i"], stdin=follower, stdout=follower, stderr=follower,
        cwd=tmp_path, start_new_session=True, env={**os.environ, "TERM": "dumb"},
    )  # fmt: skip
    os.close(follower)
    try:
        os.write(leader, b"lrdecay inspect mmdet::convnext/mask\t")
        shown, deadline = "", time.monotonic() + 60
        while "coco.py" not in shown and time.monotonic() < deadline:
            if select.select([leader], [], [], 0.5)[0]:
                shown += os.read(leader, 4096).decode()
    finally:
        bash.kill()
        bash.wait()
        os.close(leader)
    assert CONVNEXT in shown
