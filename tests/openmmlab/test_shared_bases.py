"""Bases of the zoo that were read ahead are the same as those that mmengine reads, each time."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from mmengine.config import Config

from lrdecay_cli.files.config_path import config_path
from lrdecay_cli.openmmlab import shared_bases
from lrdecay_cli.processes.children import in_children

CONVNEXT = "convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py"
CHILD = """
optim_wrapper = dict(optimizer=dict(lr={{_base_.optim_wrapper.optimizer.lr}}))
model = dict(backbone=dict(depths=[1, 1, 1, 1]))
"""
BASES = {
    "by its path": f"_base_ = [{str(Path(next(iter(__import__('mmdet').__path__)), '.mim/configs', CONVNEXT))!r}]",
    "of a package": f"_base_ = 'mmdet::{CONVNEXT}'",
    "a part": "_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py', 'mmdet::_base_/default_runtime.py']\n"
    "optim_wrapper = dict(optimizer=dict(lr=1))",
}


@pytest.mark.parametrize("base", BASES)
def test_bases_read_ahead_equal_those_of_mmengine(base: str, tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text(f"{BASES[base]}\n{CHILD if base != 'a part' else ''}")

    def read() -> tuple[object, str]:
        loaded = Config.fromfile(str(config))
        found = (loaded.to_dict(), loaded.text)
        # The returned base may be changed.
        loaded.model.clear()
        return found

    def compare() -> None:
        expected = read()
        shared_bases.share_bases()
        assert read() == expected
        wanted = shared_bases.read_here()
        assert wanted
        for _ in range(2):
            shared_bases.read_ahead(wanted)
            assert read() == expected
            # No file is left to read.
            assert shared_bases.read_here() == []

    def work(_: str) -> bytes:
        try:
            compare()
        except BaseException:
            return traceback.format_exc().encode()
        return b"the same"

    (child,) = in_children([""], work, jobs=1)
    assert child.answer.decode() == "the same"


def test_shared_bases_are_read_once() -> None:
    """The parent process reads the common bases of a zoo's folder, and children get the same as from mmengine."""
    zoo = [f"mmdet::retinanet/retinanet_r{depth}_fpn_{epochs}x_coco.py" for depth in (50, 101) for epochs in (1, 2)]
    files = [str(config_path(config)) for config in zoo]

    def work(_: str) -> bytes:
        try:
            expected = [Config.fromfile(file).to_dict() for file in files]
            shared_bases.share_common(zoo)
            read = [*shared_bases._parsed]
            assert any(path.endswith("_base_/models/retinanet_r50_fpn.py") for path in read)
            assert any(path.endswith("retinanet_r50_fpn_2x_coco.py") for path in read) is False
            assert [Config.fromfile(file).to_dict() for file in files] == expected
            assert len(shared_bases._parsed) < len(read)
        except BaseException:
            return traceback.format_exc().encode()
        return b"the same"

    (child,) = in_children([""], work, jobs=1)
    assert child.answer.decode() == "the same"
