"""Modules that are executed at their first real use, and not yet where they are imported.

Lazy, not fake: whoever calls a name of such a module, asks it for an attribute, subclasses it or tests against it gets
the real thing, which is loaded then and there. What is not installed fails to be imported as ever.
"""

from __future__ import annotations

import importlib.abc
import operator
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader
from typing import Any

_STATE = "__lazy__"
# Modules of which executing, or taking a name out, raised: an import that would have failed at once may have failed
# where nobody expects it.
_failures: list[str] = []
# What the import system itself asks of any module.
_MACHINERY = ("__path__", "__file__", "__cached__")


class LazyFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of a table where the other finders do, and puts off their execution.

    A module inside a package of the table is put off as long as the package is. Put it first in ``sys.meta_path``.

    Args:
        table: by module, the names that ``from module import name`` takes out of it without executing it; any other
            executes it. ``*`` among them: until then ``from module import *`` takes nothing.
        first: a module of the table that is executed before any other, if it is imported and still put off.
    """

    def __init__(self, table: Mapping[str, Sequence[str]], first: str = "") -> None:
        self.table = table
        self.first = first

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the next finders give, with a loader that puts off; None for modules of no concern."""
        parent = sys.modules.get(name.rpartition(".")[0])
        if name not in self.table and type(parent) is not LazyModule:
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((found for found in others if found is not None), None)
        if spec is None:
            return None
        if isinstance(spec.loader, (SourceFileLoader, SourcelessFileLoader)):
            spec.loader = _LazyLoader(spec.loader, self)
        elif type(parent) is LazyModule:
            execute(parent)
        return spec


class _LazyLoader(importlib.abc.Loader):
    """Makes the module, and keeps what it takes to execute it."""

    def __init__(self, real: SourceFileLoader | SourcelessFileLoader, finder: LazyFinder) -> None:
        self.real = real
        self.finder = finder
        self.taken: dict[str, LazyName] = {}
        self.takers: dict[int, dict[str, Any]] = {}

    def create_module(self, spec: ModuleSpec) -> LazyModule:
        module = LazyModule(spec.name)
        contents(module)[_STATE] = self
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Not yet."""

    def take(self, module: LazyModule, name: str, taker: dict[str, Any]) -> LazyName:
        self.takers[id(taker)] = taker
        return self.taken.setdefault(name, LazyName(module, name))

    def hand_over(self, module: types.ModuleType) -> None:
        """Put the real things where modules have lazy names of them."""
        for taker in self.takers.values():
            for key, value in list(taker.items()):
                for name, lazy in self.taken.items():
                    if value is lazy:
                        taker[key] = _attribute(module, name)


class LazyModule(types.ModuleType):
    """A module that has not been executed yet; afterwards it is a module like any other."""

    def __getattribute__(self, name: str) -> Any:
        # vars(module)
        if name == "__dict__":
            execute(self)
        return types.ModuleType.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        state: _LazyLoader | None = contents(self).get(_STATE)
        if state is None or name in _MACHINERY:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        names = state.finder.table.get(self.__name__, ())
        if name == "__all__" and "*" in names:
            return []
        if name in names:
            return state.take(self, name, sys._getframe(1).f_globals)
        execute(self)
        return getattr(sys.modules.get(self.__name__, self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system sets dunder names, and submodules in their packages.
        if not name.startswith("__") and not isinstance(value, types.ModuleType):
            execute(self)
        types.ModuleType.__setattr__(self, name, value)


class LazyName:
    """A class or function of a module that has not been executed yet; any use of it is one of the real thing."""

    __slots__ = ("_module", "_name")

    def __init__(self, module: types.ModuleType, name: str) -> None:
        object.__setattr__(self, "_module", module)
        object.__setattr__(self, "_name", name)

    def __getattribute__(self, name: str) -> Any:
        # As a base class: unlike the names in _SPECIAL, Python looks this one up on the object.
        if name == "__mro_entries__":
            return lambda _bases: (_real(self),)
        return getattr(_real(self), name)


# Python looks these up on the class, past __getattribute__.
_SPECIAL: dict[str, Callable[..., Any]] = {
    "__setattr__": setattr,
    "__delattr__": delattr,
    "__call__": lambda real, *args, **kwargs: real(*args, **kwargs),
    "__instancecheck__": lambda real, instance: isinstance(instance, real),
    "__subclasscheck__": lambda real, subclass: issubclass(subclass, real),
    "__or__": operator.or_,
    "__ror__": lambda real, other: other | real,
    "__getitem__": operator.getitem,
    "__contains__": operator.contains,
    "__iter__": iter,
    "__len__": len,
    "__eq__": operator.eq,
    "__ne__": operator.ne,
    "__hash__": hash,
    "__bool__": bool,
    "__repr__": repr,
    "__str__": str,
    "__dir__": dir,
}


def _special(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: function(_real(self), *args, **kwargs)


for _name, _function in _SPECIAL.items():
    setattr(LazyName, _name, _special(_function))


def execute(module: types.ModuleType) -> None:
    """Execute a module that was put off, after the packages that it is in. Raises whatever it raises."""
    if type(module) is not LazyModule:
        return
    state: _LazyLoader = contents(module)[_STATE]
    for before in (state.finder.first, module.__name__.rpartition(".")[0]):
        if before != module.__name__ and type(sys.modules.get(before)) is LazyModule:
            execute(sys.modules[before])
    # Its package may have used it.
    if type(module) is not LazyModule:
        return
    del contents(module)[_STATE]
    spec = module.__spec__
    assert spec is not None
    spec.loader = module.__loader__ = state.real
    _set_class(module, types.ModuleType)
    try:
        state.real.exec_module(module)
    except BaseException:
        _failures.append(module.__name__)
        _set_class(module, LazyModule)
        contents(module)[_STATE] = state
        raise
    package, _, child = module.__name__.rpartition(".")
    replacement = sys.modules.get(module.__name__, module)
    if replacement is not module:
        # The module put something else in its own place in sys.modules, which answers for it (transformers does).
        contents(module)["__getattr__"] = lambda attribute: getattr(replacement, attribute)
        if package in sys.modules:
            setattr(sys.modules[package], child, replacement)
    state.hand_over(replacement)


def any_failed() -> bool:
    """Whether a module that was put off failed when it was used."""
    return bool(_failures)


def is_deferred(name: str) -> bool:
    """Whether the module of that name has been imported, but not executed yet."""
    return type(sys.modules.get(name)) is LazyModule


def contents(module: types.ModuleType) -> dict[str, Any]:
    """The names in a module as it is; ``vars(module)`` would execute it."""
    names: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return names


def _set_class(module: Any, kind: type[types.ModuleType]) -> None:
    module.__class__ = kind


def _real(lazy: LazyName) -> Any:
    module: types.ModuleType = object.__getattribute__(lazy, "_module")
    execute(module)
    return _attribute(sys.modules.get(module.__name__, module), object.__getattribute__(lazy, "_name"))


def _attribute(module: types.ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError as error:
        _failures.append(module.__name__)
        # What "from module import name" would have raised.
        raise ImportError(f"cannot import name {name!r} from {module.__name__!r}", name=module.__name__) from error
