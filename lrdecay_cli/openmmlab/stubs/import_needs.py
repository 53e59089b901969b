"""Stubs for packages that OpenMMLab projects import when they start, although their models do not need them.

For example, mmseg imports ftfy, but only its CLIP tokenizer uses ftfy. If ftfy is missing, no config of mmseg can be
loaded. lrdecay then imports a stub instead of ftfy. The stub raises when it is called. Group maps of mmseg report the
stub.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType
from typing import Any

from torch import nn

from lrdecay_cli.domain.group_map import Stub
from lrdecay_cli.files.packages import distribution_of
from lrdecay_cli.openmmlab.patching import NotHereError

# Found by importing the models of mmsegmentation 1.2.2, mmpose 1.3.2, mmdet3d 1.4.0, mmocr 1.0.1, mmselfsup 1.0.0 and
# mmyolo 0.6.0 without them. Guarded imports (``except ImportError``) need no stub.
IMPORT_NEEDS: Mapping[str, Mapping[str, str]] = {
    "mmseg": {
        "ftfy": "the CLIP tokenizer",
        "regex": "the CLIP tokenizer",
        "prettytable": "metrics",
    },
    "mmpose": {
        "xtcocotools": "datasets and metrics",
        "munkres": "keypoint decoding",
        "json_tricks": "result files",
        "chumpy": "body model files",
    },
    "mmdet3d": {
        "numba": "boxes and metrics",
        "lyft_dataset_sdk": "datasets and metrics",
        "nuscenes": "datasets and metrics",
        "pyquaternion": "datasets and metrics",
        "trimesh": "visualisation",
        "plyfile": "point cloud files",
        "open3d": "visualisation",
    },
    "mmocr": {
        "rapidfuzz": "metrics",
        "lmdb": "datasets",
        "imgaug": "data transforms",
        "pyclipper": "polygon functions",
    },
    "mmselfsup": {"sklearn": "clustering"},
    "mmyolo": {"prettytable": "reports"},
}
"""For each OpenMMLab project: the packages that the project imports, and what it uses each package for."""

_COMPILED = {"xtcocotools._mask": "mmpose"}
"""Compiled modules that do not load with another major version of numpy, each with the project that imports it."""


class ImportNeeds(importlib.abc.MetaPathFinder):
    """Import finder that returns stubs for missing modules.

    A module gets a stub only if a project in ``table`` imports it outside a ``try`` block.

    Args:
        table: for each project, the packages that may get a stub, as in :data:`IMPORT_NEEDS`.
    """

    def __init__(self, table: Mapping[str, Mapping[str, str]]) -> None:
        self.table = table
        self.made: dict[str, types.ModuleType] = {}
        """The stubs by module name."""
        self.used: dict[str, dict[str, Stub]] = {}
        """For each project, the stubs that it uses."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a module spec for a stub; None for modules that get no stub."""
        need = name.partition(".")[0]
        asking = _importer()
        if need in self.made:
            return self._stub(name)
        package = asking.f_globals.get("__name__", "").partition(".")[0] if asking else ""
        if asking is None or need not in self.table.get(package, ()) or _is_guarded(asking):
            return None
        self.add(package, need, "not installed")
        return self._stub(name)

    def add(self, package: str, need: str, state: str) -> None:
        """Record that a project uses a stub."""
        purpose = self.table[package][need]
        stub = Stub(distribution_of(need), f"{state}: {package} imports {need} only for {purpose}")
        self.used.setdefault(package, {})[need] = stub

    def _stub(self, name: str) -> ModuleSpec:
        spec = ModuleSpec(name, _StubLoader(self), is_package=True)
        spec.submodule_search_locations = []
        return spec


class _StubLoader(importlib.abc.Loader):
    def __init__(self, finder: ImportNeeds) -> None:
        self.finder = finder

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return self.finder.made.setdefault(spec.name, stub_module(spec.name))

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: a stub has no code."""


class _CompiledNeeds(importlib.abc.MetaPathFinder):
    """Import finder that returns a stub for an installed compiled module that does not load.

    This finder must be the first in ``sys.meta_path``.
    """

    def __init__(self, stubs: ImportNeeds) -> None:
        self.stubs = stubs

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        package = _COMPILED.get(name)
        spec = PathFinder.find_spec(name, path) if package else None
        if package is None or spec is None or spec.loader is None:
            return None
        try:
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        except Exception:
            self.stubs.add(package, name.partition(".")[0], "compiled for another version of numpy")
            return ModuleSpec(name, _StubLoader(self.stubs))
        return None


_needs = ImportNeeds(IMPORT_NEEDS)


@contextmanager
def import_needs() -> Iterator[None]:
    """Inside this block, missing packages of :data:`IMPORT_NEEDS` are imported as stubs.

    After the block, the stubs are removed from ``sys.modules``. Modules that imported a stub still use the stub.
    """
    finders = (_CompiledNeeds(_needs), _needs)
    if _needs in sys.meta_path:
        yield
        return
    sys.meta_path.insert(0, finders[0])
    sys.meta_path.append(finders[1])
    try:
        yield
    finally:
        for finder in finders:
            sys.meta_path.remove(finder)
        for name, module in _needs.made.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def needs_of(model: nn.Module, scope: str) -> tuple[Stub, ...]:
    """Return the stubs that the packages of a model use.

    The packages of a model are those that define the classes of its modules, and the package of the registry ``scope``.
    """
    packages = {scope, *(type(module).__module__.partition(".")[0] for module in model.modules())}
    return tuple(stub for package in packages for stub in _needs.used.get(package, {}).values())


def stub_module(name: str) -> types.ModuleType:
    """Return a module in which every name is a class. Calling the class raises, except during an import."""
    module = types.ModuleType(name)

    def attribute(asked: str) -> Any:
        if asked.startswith("__"):
            raise AttributeError(asked)
        return _refusing(f"{name}.{asked}")

    module.__dict__["__getattr__"] = attribute
    return module


class _Refusing(type):
    """Metaclass of the classes in a stub.

    These classes work only as base classes, annotations and decorators, and in except clauses.
    """

    __path__: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not _is_importing():
            need = distribution_of(cls.__path__.partition(".")[0])
            raise NotHereError(f"{cls.__path__} is called, but {need} is not installed", need, f"pip install {need}")
        # ``@jit`` and ``@jit(nopython=True)``, or a compiled pattern.
        only = args[0] if len(args) == 1 and not kwargs else None
        return only if isinstance(only, types.FunctionType) else cls

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") or "__path__" not in cls.__dict__:
            raise AttributeError(name)
        return _refusing(f"{cls.__path__}.{name}")

    def __getitem__(cls, _item: Any) -> Any:
        return cls


def _refusing(path: str) -> Any:
    name = path.rpartition(".")[2]
    base = Warning if name.endswith("Warning") else Exception if name.endswith(("Error", "Exception")) else object
    return _Refusing(name, (base,), {"__path__": path, "__module__": path.rpartition(".")[0]})


def _importer() -> FrameType | None:
    """Return the frame of the module that is executing an import statement at its top level; None for other callers."""
    frame: FrameType | None = sys._getframe(2)
    importing = False
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("importlib", "_frozen_importlib")):
        importing |= frame.f_code.co_name == "_find_and_load"
        frame = frame.f_back
    return frame if frame is not None and importing and frame.f_code.co_name == "<module>" else None


def _is_guarded(frame: FrameType) -> bool:
    """True if the current statement of a frame is inside a ``try`` block."""
    with suppress(OSError, SyntaxError, ValueError):
        tree = ast.parse(Path(frame.f_code.co_filename).read_text(encoding="utf-8"))
        tried = [statement for node in ast.walk(tree) if isinstance(node, ast.Try) for statement in node.body]
        return any(each.lineno <= frame.f_lineno <= (each.end_lineno or each.lineno) for each in tried)
    return False


def _is_importing() -> bool:
    """True while a module of a project in :data:`IMPORT_NEEDS` is being imported."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__", "").partition(".")[0] in _needs.table:
            return True
        frame = frame.f_back
    return False
