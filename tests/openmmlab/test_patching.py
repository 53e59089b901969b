"""Patches apply in the block and end after it, also for functions that were imported by name."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lrdecay_cli.openmmlab.patching import copied, patched, patched_functions, patched_on_import

OWNER = """
def load(what="net", *, strict=True):
    return "weights" if strict else "some weights"

def make():
    weights = "weights"
    return lambda: weights

by_closure = make()

class Loader:
    def load(self):
        return "weights"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "owner_of_it.py").write_text(OWNER)
    for name in ("early_user", "late_user"):
        (tmp_path / f"{name}.py").write_text("from owner_of_it import load\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    for name in ("owner_of_it", "early_user", "late_user"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("package")
def test_functions_imported_by_name_are_replaced_and_restored() -> None:
    owner, early = importlib.import_module("owner_of_it"), importlib.import_module("early_user")
    original, copy = owner.load, copied(owner.load)
    with patched_functions(owner, load=lambda what, **_options: f"no {what}", by_closure=lambda *_: "nothing"):
        late = importlib.import_module("late_user")
        assert [module.load("net", strict=True) for module in (owner, early, late)] == ["no net"] * 3
        assert owner.by_closure() == "nothing"
        assert copy() == "weights"
        # An object without its own body has none to restore.
        assert copied(len) is len
    assert owner.load is early.load is late.load is original
    assert (original(), original(strict=False), owner.by_closure()) == ("weights", "some weights", "weights")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("when", ["before", "within", "never"])
def test_a_module_is_patched_when_it_is_imported(when: str) -> None:
    if when == "before":
        importlib.import_module("owner_of_it")
    patches = {"owner_of_it": lambda module: patched(module.Loader, load=lambda _self: "nothing")}
    finders = list(sys.meta_path)
    with patched_on_import(patches):
        assert ("owner_of_it" in sys.modules) == (when == "before")
        if when != "never":
            assert importlib.import_module("owner_of_it").Loader().load() == "nothing"
    assert sys.meta_path == finders
    assert importlib.import_module("owner_of_it").Loader().load() == "weights"


def test_a_module_that_is_not_there_is_not_found() -> None:
    entered: list[types.ModuleType] = []
    with patched_on_import({"owner_of_nothing": entered.append}), pytest.raises(ModuleNotFoundError):
        importlib.import_module("owner_of_nothing")
    assert entered == []


@pytest.mark.usefixtures("package")
def test_a_module_that_is_executed_later_is_left_alone() -> None:
    """Like a lazy loader: found in the block, executed after it."""
    entered = []

    @contextmanager
    def patch(module: types.ModuleType) -> Iterator[None]:
        entered.append(module)
        yield

    with patched_on_import({"owner_of_it": patch}):
        spec = importlib.util.find_spec("owner_of_it")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert entered == []
