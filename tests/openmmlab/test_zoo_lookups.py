"""Configs of installed zoos are found where mmengine itself finds them, on each lookup, and after any change."""

from __future__ import annotations

from pathlib import Path

import mmengine.config.utils
import pytest
from mmengine.config import Config

from lrdecay_cli.openmmlab.config_file import load_config
from lrdecay_cli.openmmlab.zoo_lookups import remembered_zoos

METAFILE = "Models:\n  - Name: a\n    Config: {config}\n    Metadata: {{Epochs: 12}}\n"


def zoo(folder: Path, config: str) -> Path:
    """An installed package with a metafile that names a config in the form that mmengine expects: without a suffix."""
    mim = folder / "mmtrack/.mim"
    (mim / "configs/deep").mkdir(parents=True)
    (mim.parent / "__init__.py").touch()
    (mim / "model-index.yml").write_text("Import: [configs/deep/metafile.yml]\n")
    (mim / "configs/deep/metafile.yml").write_text(METAFILE.format(config=config))
    (mim / "configs/deep/a.py").write_text("where = 'base'\n")
    (mim.parent / "named").mkdir()
    (mim.parent / "named/deep").mkdir()
    (mim.parent / "named/deep/a").write_text("")
    return mim


def found() -> str:
    with remembered_zoos():
        return str(Config._get_cfg_path("mmtrack::deep/a.py", "config.py")[0])


def test_a_metafile_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mim = zoo(tmp_path, "configs/deep/a.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    base, named = str(mim / "configs/deep/a.py"), str(mim.parent / "named/deep/a")
    assert found() == found() == base == Config._get_cfg_path("mmtrack::deep/a.py", "config.py")[0]
    (mim / "configs/deep/metafile.yml").write_text(METAFILE.format(config="named/deep/a"))
    assert found() == found() == named == Config._get_cfg_path("mmtrack::deep/a.py", "config.py")[0]
    (mim / "configs/deep/metafile.yml").write_text("Models:\n  - Name: a\n    Config: [named/deep/a\n")
    for _ in range(2):
        with pytest.raises(Exception, match="while parsing"):
            found()
    (mim / "configs/deep/metafile.yml").unlink()
    with pytest.raises(FileNotFoundError):
        found()


def test_a_package_that_goes_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mim = zoo(tmp_path, "configs/deep/a.py")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        assert found() == str(mim / "configs/deep/a.py")
        mim.parent.rename(tmp_path / "elsewhere")
        with pytest.raises(ModuleNotFoundError, match="mmtrack is not installed"):
            found()
        (tmp_path / "elsewhere").rename(mim.parent)
        assert found() == str(mim / "configs/deep/a.py")
    with pytest.raises(ModuleNotFoundError, match="mmtrack is not installed"):
        found()


def test_only_a_metafile_with_the_name_is_parsed_once_and_mmengine_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mim = zoo(tmp_path, "configs/deep/a.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "config.py").write_text("_base_ = 'mmtrack::deep/a.py'\n")
    parsed, load = [], mmengine.config.utils.load

    def counting(path: str) -> object:
        parsed.append(Path(path).name)
        return load(path)

    monkeypatch.setattr(mmengine.config.utils, "load", counting)
    for _ in range(3):
        assert load_config(str(tmp_path / "config.py"), {})["where"] == "base"
    # mmengine looks for a name without a suffix.
    assert parsed == ["model-index.yml"]
    (mim / "configs/deep/metafile.yml").write_text(METAFILE.format(config="named/deep/a"))
    for _ in range(3):
        assert found() == str(mim.parent / "named/deep/a")
    assert parsed == ["model-index.yml", "metafile.yml"]
    assert mmengine.config.utils.load is counting
