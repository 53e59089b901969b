"""Fast lookups of packages and configs give the same results as mmengine's own functions."""

from __future__ import annotations

import inspect
import sys
import types
from importlib.metadata import distributions
from pathlib import Path

import pytest
from mmengine.config.utils import _get_cfg_metainfo
from mmengine.utils import package_utils

from lrdecay_cli.openmmlab.lazy_imports import stack_imports
from lrdecay_cli.openmmlab.zoo_lookups import config_entry, installed_path, is_installed

PACKAGES = ("mmdet", "mmpretrain", "mmengine", "torch", "yaml", "Pillow", "google", "tests", "nowhere", "mm det", "a>1")
# Two of each type: in a metafile, by its name and without its suffix; nowhere.
CONFIGS = (
    "convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py",
    "convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco",
    "_base_/models/nowhere",
)


@pytest.mark.filterwarnings("ignore")
def test_packages_are_found_where_mmengine_finds_them() -> None:
    installed = sorted(each.metadata["Name"] for each in distributions())
    paths = {name: path for name in (*PACKAGES, *installed) if (path := installed_path(name)) is not None}
    assert paths == {name: package_utils.get_installed_path(name) for name in paths}
    assert {"mmdet", "mmpretrain", "torch"} <= {*paths}
    found = {name: is_installed(name) for name in PACKAGES}
    assert {name for name, answer in found.items() if answer is None} == {"mm det", "a>1"}
    asked = {name: answer for name, answer in found.items() if answer is not None}
    assert asked == {name: package_utils.is_installed(name) for name in asked}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("config", CONFIGS)
def test_a_config_is_the_one_that_mmengine_finds(config: str) -> None:
    package = package_utils.get_installed_path("mmdet")
    try:
        expected = _get_cfg_metainfo(package, config)
    except ValueError:
        with pytest.raises(ValueError, match="no metafile"):
            config_entry(package, config)
    else:
        assert config_entry(package, config) == expected


ESCAPED = 'Models:\n  - Config: "configs\\x2fa/b"\n    Name: escaped\n  - Name: none\n'


def test_a_config_whose_name_is_escaped_is_found(tmp_path: Path) -> None:
    (tmp_path / ".mim").mkdir()
    (tmp_path / ".mim" / "model-index.yml").write_text("Import:\n  - one.yml\n  - two.yml\n")
    (tmp_path / ".mim" / "one.yml").write_text("Models:\n  - Config: configs/c/a/b.py\n")
    (tmp_path / ".mim" / "two.yml").write_text(ESCAPED)
    assert config_entry(str(tmp_path), "a/b") == _get_cfg_metainfo(str(tmp_path), "a/b")


def test_the_module_of_a_frame_is_the_one_that_inspect_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    search = inspect.getmodule
    frames: list[types.FrameType] = []
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    exec("import sys\nframes.append(sys._getframe())", {"frames": frames, "__name__": __name__})
    expected = [search(frame) for frame in frames]
    monkeypatch.setattr(inspect, "getmodule", search)
    stack_imports._speed_up_getmodule()
    assert inspect.getmodule is not search
    assert [inspect.getmodule(frame) for frame in frames] == expected
    assert inspect.getmodule(Path) is search(Path)
