"""Packages that a sibling package imports and that are not installed: their stubs build and refuse to compute."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

from lrdecay_cli.files.packages import ZOOS
from lrdecay_cli.openmmlab.patching import NotHereError
from lrdecay_cli.openmmlab.stubs import import_needs as module
from lrdecay_cli.openmmlab.stubs.import_needs import IMPORT_NEEDS, import_needs, needs_of

# Uses at import by mmseg's tokenizer, mmdet3d's boxes and mmpose's datasets.
NEEDY = """
import warnings
import torch.nn as nn
import absent_one as one
from absent_one.inner.errors import SlowWarning
from absent_one.coco import COCO

warnings.simplefilter("ignore", category=SlowWarning)


@one.jit(nopython=True)
def compiled(boxes):
    return boxes + 1


@one.jit
def compiled_at_once(boxes):
    return boxes + 2


class Tokenizer:
    def __init__(self):
        self.pattern = one.compile("a", one.IGNORECASE)

    def find(self, text):
        return self.pattern.findall(text)


class Annotations(COCO):
    pass


tokenizer = Tokenizer()

try:
    import absent_two
except ImportError:
    absent_two = None


def later():
    import absent_two


class Model(nn.Linear):
    pass
"""


@pytest.fixture
def needy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "needy.py").write_text(NEEDY)
    (tmp_path / "other.py").write_text("import absent_one\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module._needs, "table", {"needy": {"absent_one": "its text", "absent_two": "its text"}})
    for kept in ("made", "used"):
        monkeypatch.setattr(module._needs, kept, {})
    yield
    for name in ("needy", "other"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("needy")
def test_an_import_that_nothing_guards_gets_a_stub_that_refuses_to_compute() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("needy")
    finders = list(sys.meta_path)
    with import_needs():
        needy = importlib.import_module("needy")
        assert importlib.util.find_spec("absent_two") is None
        with pytest.raises(ModuleNotFoundError):
            needy.later()
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("other_absent")
    assert sys.meta_path == finders
    assert not [name for name in sys.modules if name.startswith("absent_")]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("absent_one")

    assert (needy.compiled(1), needy.compiled_at_once(1), needy.absent_two) == (2, 3, None)
    for call in (lambda: needy.tokenizer.find("a"), lambda: needy.one.compile("a"), needy.Annotations):
        with pytest.raises(NotHereError) as raised:
            call()
        assert (raised.value.needs, raised.value.fix) == ("absent_one", "pip install absent_one")

    stub = needs_of(needy.Model(1, 1), "mmengine")
    assert [(each.name, each.reason) for each in stub] == [
        ("absent_one", "not installed: needy imports absent_one only for its text")
    ]
    assert needs_of(nn.Linear(1, 1), "needy") == stub
    assert needs_of(nn.Linear(1, 1), "mmdet") == ()


@pytest.mark.usefixtures("needy")
def test_no_other_package_gets_a_stub() -> None:
    with import_needs(), pytest.raises(ModuleNotFoundError):
        importlib.import_module("other")


def test_the_table_is_about_packages_with_configs() -> None:
    assert {*IMPORT_NEEDS} <= {*ZOOS}
    # A package that creates parameters.
    of_models = {"einops", "timm", "transformers", "mmcls", "e2cnn", "clip"}
    assert not [package for package, needs in IMPORT_NEEDS.items() if of_models & {*needs}]
