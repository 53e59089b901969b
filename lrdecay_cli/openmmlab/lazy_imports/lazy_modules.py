"""Defer the execution of modules until their first real use.

A lazy module is not a stub. The real module is executed when code calls a name of the module, reads an attribute,
subclasses a class or tests an instance. An import of a missing module fails as usual.
"""

from __future__ import annotations

import importlib
import importlib.abc
import operator
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader
from typing import Any

_STATE = "__lazy__"
# Modules whose deferred execution or attribute raised: an import error may have occurred at an unexpected place.
_failures: list[str] = []
# Attributes that the import system itself reads.
_MACHINERY = ("__path__", "__file__", "__cached__")


class LazyFinder(importlib.abc.MetaPathFinder):
    """Import finder that defers the execution of the modules in a table.

    While a package is deferred, its submodules are deferred too. The finder must be first in ``sys.meta_path``.

    Args:
        table: for each module, the names that ``from module import name`` can import without executing the module. Any
            other name executes the module. If the names include ``*``, then ``from module import *`` imports the other
            names without executing the module.
        first: modules. Before the finder executes any other deferred module, it executes the modules in ``first`` and
            their submodules, in the order of their import. Modules that are not imported yet are skipped.
        alone: modules that are executed without executing the modules in ``first``.
        bare: modules in ``alone`` that are executed without their parent packages.
    """

    def __init__(
        self,
        table: Mapping[str, Sequence[str]],
        *,
        first: Collection[str] = (),
        alone: Collection[str] = (),
        bare: Collection[str] = (),
    ) -> None:
        self.table = table
        self.first = first
        self.alone = alone
        self.bare = bare
        self._executing_first = False

    def execute_first(self, name: str) -> None:
        """Execute the modules in ``first`` before the module ``name``, unless ``alone`` contains ``name``."""
        if self._executing_first or _within(name, self.alone) or any(map(_is_initialising, self.first)):
            return
        self._executing_first = True
        try:
            # New modules are appended.
            for other, module in list(sys.modules.items()):
                if type(module) is LazyModule and _within(other, self.first):
                    execute(module)
        finally:
            self._executing_first = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a module spec that defers execution; None for modules that are not deferred.

        To locate the file of the module, this method calls the other finders in ``sys.meta_path``.
        """
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
    """Loader that creates a lazy module, and stores the real loader for its later execution."""

    def __init__(self, real: SourceFileLoader | SourcelessFileLoader, finder: LazyFinder) -> None:
        self.real = real
        self.finder = finder
        self.taken: dict[str, LazyName] = {}
        self.takers: dict[int, dict[str, Any]] = {}
        # Submodules with the name of another object that is imported from the module.
        self.shadowed: dict[str, types.ModuleType] = {}

    def create_module(self, spec: ModuleSpec) -> LazyModule:
        module = LazyModule(spec.name)
        contents(module)[_STATE] = self
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: the execution is deferred."""

    def take(self, module: LazyModule, name: str, taker: dict[str, Any]) -> LazyName:
        self.takers[id(taker)] = taker
        return self.taken.setdefault(name, LazyName(module, name))

    def hand_over(self, module: types.ModuleType) -> None:
        """Replace lazy names in other modules by the real objects of the executed module."""
        for taker in self.takers.values():
            for key, value in list(taker.items()):
                for name, lazy in self.taken.items():
                    if value is lazy:
                        taker[key] = _replacement_for(_attribute(module, name), taker)


class LazyModule(types.ModuleType):
    """A module that is not executed yet. After execution, its class is the ordinary module class."""

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
            return [each for each in names if each != "*"]
        if name in names:
            return state.take(self, name, sys._getframe(1).f_globals)
        execute(self)
        return getattr(sys.modules.get(self.__name__, self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system sets dunder names, and submodules in their packages.
        state: _LazyLoader | None = contents(self).get(_STATE)
        if state is not None and isinstance(value, types.ModuleType):
            if name in state.finder.table.get(self.__name__, ()):
                state.shadowed[name] = value
                return
        elif not name.startswith("__"):
            execute(self)
        types.ModuleType.__setattr__(self, name, value)


class LazyName:
    """Proxy for a class or function of a module that is not executed yet. Any use executes the module."""

    __slots__ = ("_module", "_name")

    def __init__(self, module: types.ModuleType, name: str) -> None:
        object.__setattr__(self, "_module", module)
        object.__setattr__(self, "_name", name)

    def __getattribute__(self, name: str) -> Any:
        # As a base class: unlike the names in _SPECIAL, Python looks this one up on the object.
        if name == "__mro_entries__":
            return lambda _bases: (_real(self),)
        return getattr(_real(self), name)

    def __or__(self, other: Any) -> Any:
        return _union(self, other)

    def __ror__(self, other: Any) -> Any:
        return _union(other, self)


# Python looks these up on the class, past __getattribute__.
_SPECIAL: dict[str, Callable[..., Any]] = {
    "__setattr__": setattr,
    "__delattr__": delattr,
    "__call__": lambda real, *args, **kwargs: real(*args, **kwargs),
    "__instancecheck__": lambda real, instance: isinstance(instance, real),
    "__subclasscheck__": lambda real, subclass: issubclass(subclass, real),
    "__getitem__": operator.getitem,
    "__setitem__": operator.setitem,
    "__delitem__": operator.delitem,
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


class LazyUnion(LazyName):
    """Proxy for ``left | right`` in an annotation that contains a :class:`LazyName`. Any use executes the modules."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Any, right: Any) -> None:
        object.__setattr__(self, "_left", left)
        object.__setattr__(self, "_right", right)


def _union(left: Any, right: Any) -> Any:
    if all(each is None or type(each) in _LAZY or isinstance(each, _TYPES) for each in (left, right)):
        return LazyUnion(left, right)
    return _resolved(left) | _resolved(right)


_TYPES = (type, types.GenericAlias, types.UnionType)
_LAZY = (LazyName, LazyUnion)


def _special(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: function(_real(self), *args, **kwargs)


for _name, _function in _SPECIAL.items():
    setattr(LazyName, _name, _special(_function))


def execute(module: types.ModuleType) -> None:
    """Execute a deferred module, after its parent packages and the modules in ``first`` of :class:`LazyFinder`.

    Raises the errors of the executed modules.
    """
    if type(module) is not LazyModule:
        return
    state: _LazyLoader = contents(module)[_STATE]
    state.finder.execute_first(module.__name__)
    _execute(module)


def _execute(module: types.ModuleType) -> None:
    """Execute a deferred module after its parent packages."""
    package, _, child = module.__name__.rpartition(".")
    if type(module) is not LazyModule:
        return
    bare = module.__name__ in contents(module)[_STATE].finder.bare
    if not bare and type(sys.modules.get(package)) is LazyModule:
        _execute(sys.modules[package])
    # Its package, or an earlier module, may have executed it.
    if type(module) is not LazyModule:
        return
    state: _LazyLoader = contents(module)[_STATE]
    del contents(module)[_STATE]
    spec = module.__spec__
    assert spec is not None
    spec.loader = module.__loader__ = state.real
    _set_class(module, types.ModuleType)
    contents(module).update(state.shadowed)
    try:
        state.real.exec_module(module)
    except BaseException:
        _failures.append(module.__name__)
        _set_class(module, LazyModule)
        contents(module)[_STATE] = state
        raise
    replacement = sys.modules.get(module.__name__, module)
    if replacement is not module:
        # The module replaced itself in sys.modules (transformers does).
        contents(module)["__getattr__"] = lambda attribute: getattr(replacement, attribute)
        if package in sys.modules:
            setattr(sys.modules[package], child, replacement)
    state.hand_over(replacement)


def any_failed() -> bool:
    """True if a deferred module raised at its first use."""
    return bool(_failures)


def is_deferred(name: str) -> bool:
    """True if the module ``name`` has been imported but not executed."""
    return type(sys.modules.get(name)) is LazyModule


def contents(module: types.ModuleType) -> dict[str, Any]:
    """Return the current namespace of a module without executing the module, unlike ``vars(module)``."""
    names: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return names


def _set_class(module: Any, kind: type[types.ModuleType]) -> None:
    module.__class__ = kind


def _is_initialising(package: str) -> bool:
    """True while a package is being imported. During this time, the package itself determines the import order."""
    return bool(getattr(getattr(sys.modules.get(package), "__spec__", None), "_initializing", False))


def _within(name: str, packages: Collection[str]) -> bool:
    """True if ``packages`` contains the module ``name`` or one of its parent packages."""
    while name:
        if name in packages:
            return True
        name = name.rpartition(".")[0]
    return False


def _real(lazy: LazyName) -> Any:
    if type(lazy) is LazyUnion:
        return _resolved(object.__getattribute__(lazy, "_left")) | _resolved(object.__getattribute__(lazy, "_right"))
    module: types.ModuleType = object.__getattribute__(lazy, "_module")
    execute(module)
    # It may have imported the name from another deferred module.
    return _resolved(_attribute(sys.modules.get(module.__name__, module), object.__getattribute__(lazy, "_name")))


def _resolved(value: Any) -> Any:
    return _real(value) if type(value) in _LAZY else value


def _replacement_for(value: Any, taker: dict[str, Any]) -> Any:
    """Return the object that replaces a lazy name in ``taker``, the namespace of a module that imported the name.

    ``value`` is the object in the executed module. If ``value`` is itself a lazy name from another deferred module, it
    is returned unchanged, and replaced when the other module is executed.
    """
    if type(value) is not LazyName:
        return value
    module: types.ModuleType = object.__getattribute__(value, "_module")
    state: _LazyLoader | None = contents(module).get(_STATE)
    if state is None:
        return _real(value)
    state.takers[id(taker)] = taker
    return value


def _attribute(module: types.ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError as error:
        if hasattr(module, "__path__"):
            with suppress(ModuleNotFoundError):
                return importlib.import_module(f"{module.__name__}.{name}")
        _failures.append(module.__name__)
        # The error of "from module import name".
        raise ImportError(f"cannot import name {name!r} from {module.__name__!r}", name=module.__name__) from error
