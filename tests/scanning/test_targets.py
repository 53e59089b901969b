"""Configs that a command line selects."""

from __future__ import annotations

import os
from pathlib import Path

import mmdet
import mmpretrain
import pytest
from mmengine.config import Config

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_text import may_be_config
from lrdecay_cli.scanning.scan import check_maps
from lrdecay_cli.scanning.targets import configs_of, shard_of

FILES = [
    "a.py",
    "deep/b.py",
    "deep/_base_/c.py",
    "deep/.hidden/d.py",
    "deep/__init__.py",
    "deep/metafile.yml",
    "e.json",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        file = tmp_path / "configs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("model = dict()")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["configs"], ["configs/a.py", "configs/deep/b.py"]),
        (["configs/deep", "configs/a.py"], ["configs/a.py", "configs/deep/b.py"]),
        (["configs/deep", "configs"], ["configs/a.py", "configs/deep/b.py"]),
        (["configs/**/*.py"], ["configs/a.py", "configs/deep/b.py"]),
        (["configs/*.py"], ["configs/a.py"]),
        (["configs/e.json"], ["configs/e.json"]),
        (["configs/deep/_base_/c.py"], ["configs/deep/_base_/c.py"]),
        (["configs/deep/_base_"], ["configs/deep/_base_/c.py"]),
    ],
)
def test_selected_configs(folder: Path, targets: list[str], expected: list[str]) -> None:
    assert configs_of(targets) == expected
    if "*" in targets[0]:
        assert configs_of([str(folder / targets[0])]) == [str(folder / name) for name in expected]


def test_a_repository_has_files_that_are_no_configs(folder: Path) -> None:
    others = ["setup.py", "docs/conf.py", "tools/train.py"]
    environment = ["env/pyvenv.cfg", "env/lib/config.py", "conda/conda-meta/a.py", "conda/lib/config.py"]
    for name in (*others, *environment):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("model = 1" if name in environment else 'project = "model"\ndef f():\n    model = 1\n')
    (folder / "tools/demo.py").write_text('model = 1\nif __name__ == "__main__":\n    raise SystemExit\n')
    skipped: list[str] = []
    assert configs_of(["."], skipped) == ["configs/a.py", "configs/deep/b.py"]
    assert skipped == sorted([*others, "tools/demo.py"])
    # A named file is built whatever it is.
    assert configs_of(["setup.py"]) == ["setup.py"]
    with pytest.raises(
        LrdecayError,
        match=r"no \.py file in this directory is a training config, which sets model, optim_wrapper or _base_",
    ):
        configs_of(["docs"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model = dict(type='Detector')\n", True),
        ("_base_ = 'a.py'\nmodel['backbone'] = 1\n", True),
        ("import copy\nmodel = copy.deepcopy(shared)\n", True),
        ("model: dict = dict(type='Detector')\ndef f(): ...\n", True),
        ('"""Notes."""\nwith read_base():\n    from .base import *\n', True),
        ("from parts import toy, wrapper\nmodel = toy()\noptim_wrapper = wrapper()\n", True),
        ("model = dict(\ndef f(:\n", True),
        # The line that looks like an option is inside a string.
        ('TEXT = """\nmodel = dict()\n"""\n', False),
        ("TEXT = '''\n_base_ = 'a.py'\n'''\n", False),
        ("import timm\nmodel = timm.create_model('vit_tiny_patch16_224')\nmodel.train()\n", False),
        ("model = dict(type='Toy')\ndef test_toy():\n    assert model\n", False),
        ("model = dict()\nif __name__ == '__main__':\n    main()\n", False),
    ],
)
def test_a_config_sets_an_option_to_a_dict_and_is_no_program(tmp_path: Path, text: str, expected: bool) -> None:
    file = tmp_path / "file.py"
    file.write_text(text)
    assert may_be_config(str(file)) is expected


def test_each_training_config_of_a_zoo_is_one_by_its_text() -> None:
    """And no module of the packages is."""
    for package in (mmdet, mmpretrain):
        root = Path(package.__file__).parent
        modules = [file for file in root.rglob("*.py") if not {".mim", "configs"} & {*file.parts}]
        assert not [file for file in modules if may_be_config(str(file))]
        zoo = [file for file in (root / ".mim/configs").rglob("*.py") if "_base_" not in file.parts]
        for file in zoo:
            if not may_be_config(str(file)):
                assert "model" not in Config.fromfile(file), file


@pytest.mark.parametrize("target", ["missing.py", "configs/*.yml", "mmdet::nowhere", "nothing::", "mmdet::*.txt"])
def test_nothing_there_is_refused(folder: Path, target: str) -> None:
    with pytest.raises(LrdecayError) as caught:
        configs_of([target])
    assert caught.value.where == target
    assert caught.value.fix


def test_the_zoo_of_a_package() -> None:
    whole = configs_of(["mmdet::"])
    assert len(whole) > 800
    convnext = configs_of(["mmdet::convnext"])
    assert convnext == configs_of(["mmdet::convnext/*"]) == [name for name in whole if "::convnext/" in name]
    assert configs_of([convnext[0]]) == convnext[:1]
    assert not any("_base_" in name for name in whole)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_shards_are_everything_once(count: int) -> None:
    configs = [f"{number}.py" for number in range(10)]
    shards = [shard_of(configs, f"{index}/{count}") for index in range(1, count + 1)]
    assert sorted(config for shard in shards for config in shard) == sorted(configs)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "-1/2", "1/2/3", ""])
def test_files_that_are_not_shards(shard: str) -> None:
    with pytest.raises(LrdecayError, match="is not a shard"):
        shard_of([], shard)


def test_one_file_by_several_names_is_scanned_once(folder: Path) -> None:
    names = ["configs", "./configs/a.py", str(folder / "configs/a.py"), "configs/../configs/a.py"]
    assert configs_of(names) == ["configs/a.py", "configs/deep/b.py"]


@pytest.mark.parametrize("name", [b"a\nb.py", b"a\xff.py"])
def test_an_unprintable_name_is_refused_before_any_build(folder: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(folder / "configs") + b"/" + name)).write_text("model = 1")
    with pytest.raises(LrdecayError, match="the name of the config contains unprintable") as caught:
        configs_of(["configs"])
    assert caught.value.line().isprintable()


@pytest.mark.parametrize("configs", [["../b/c.py", "b/c.py"], ["/b/c.py", "b/c.py"], ["mmdet::b/c.py", "mmdet/b/c.py"]])
def test_two_configs_never_write_one_map(configs: list[str]) -> None:
    check_maps(Path("maps"), [configs[0], "other.py"])
    with pytest.raises(LrdecayError, match=f"{configs[0]} and {configs[1]} would write the same map file"):
        check_maps(Path("maps"), configs)
