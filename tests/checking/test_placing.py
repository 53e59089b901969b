"""Findings about a dict of a base are placed at the line of the config that overrides a part of the dict."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from msgspec.structs import replace

from lrdecay_cli import check
from lrdecay_cli.checking.placing import placed
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.training import Batch
from tests.checking.maps import decay_map

FILES = {
    "base.py": "auto_scale_lr = dict(enable=False, base_batch_size=16)\nlist = [dict(a=1)]\nmodel = dict(\n    a=1)\n",
    "middle.py": "_base_ = 'base.py'\nmodel = dict(b=2)\n",
    "child.py": (
        "_base_ = 'middle.py'\nauto_scale_lr = dict(\n    enable=True)\nown = dict(\n    a=1)\nlist = [dict(a=2)]\n"
    ),
}


def finding_about(option: str) -> Finding:
    return Finding(
        code="LRD000", name="", severity="info", config="child.py", message="", option=option, why="", fix="",
        fingerprint="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "overrides", "place", "replaces"),
    [
        ("auto_scale_lr", (), "child.py:3", ["base.py:1"]),
        ("auto_scale_lr.enable", (), "child.py:3", ["base.py:1"]),
        ("auto_scale_lr.base_batch_size", (), "base.py:1", []),
        # An option that is not set: the nearest dict.
        ("auto_scale_lr.missing", (), "child.py:3", ["base.py:1"]),
        ("model", (), "middle.py:2", []),
        ("model.a", (), "base.py:4", []),
        # Dicts and lists that the config itself sets.
        ("own", (), "child.py:4", []),
        ("list", (), "child.py:6", ["base.py:2"]),
        ("auto_scale_lr", ("x=1", "auto_scale_lr.base_batch_size=8"), "--cfg-options", ["base.py:1"]),
    ],
)
def test_the_line_that_set_a_part_of_a_dict_last(
    option: str,
    overrides: tuple[str, ...],
    place: str,
    replaces: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert Config.fromfile("child.py").auto_scale_lr == dict(enable=True, base_batch_size=16)
    result = replace(check(decay_map(config="child.py")), findings=(finding_about(option),))
    (finding,) = placed(result, {"child.py"}, overrides).findings
    assert (str(finding.place), [str(each) for each in finding.replaces]) == (place, replaces)


def test_the_factor_of_auto_scale_lr_is_placed_at_its_switch() -> None:
    batch = Batch(1, False, 4, 16, 0.25)
    findings = check(replace(decay_map(), batch=batch)).findings
    assert [each.option for each in findings if each.code == "LRD823"] == ["auto_scale_lr.enable"]
