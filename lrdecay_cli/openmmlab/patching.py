"""Replacing attributes for a while, putting back exactly what was there, and refusing what a replacement cannot do."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from typing import Any

_INHERITED = object()

PatchOf = Callable[[types.ModuleType], AbstractContextManager[Any]]
"""From a module that has just been imported to the patches that it needs."""


@contextmanager
def patched(owner: Any, **replacements: Any) -> Iterator[None]:
    """Set attributes of a module or class in the ``with`` block; afterwards each is as it was, or inherited again."""
    originals = {name: vars(owner).get(name, _INHERITED) for name in replacements}
    try:
        for name, replacement in replacements.items():
            setattr(owner, name, replacement)
        yield
    finally:
        for name, original in originals.items():
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


@contextmanager
def patched_functions(owner: types.ModuleType, **replacements: Callable[..., Any]) -> Iterator[None]:
    """Let functions of a module do something else, also for those who took them by name (``from owner import f``).

    A plain function stays the object that it is and is given another body, which costs no search for its holders and
    leaves nothing behind. Anything else is replaced as an attribute of the module.
    """
    with ExitStack() as stack:
        for name, replacement in replacements.items():
            function = getattr(owner, name)
            if isinstance(function, types.FunctionType) and function.__closure__ is None:
                stack.enter_context(_other_body(function, replacement))
            else:
                stack.enter_context(patched(owner, **{name: replacement}))
        yield


@contextmanager
def _other_body(function: types.FunctionType, replacement: Callable[..., Any]) -> Iterator[None]:
    before = (function.__code__, function.__defaults__, function.__kwdefaults__)
    function.__code__, function.__defaults__ = _forward.__code__, None
    # The body runs with the globals of the function's own module, so it cannot name anything of this one.
    function.__kwdefaults__ = {"_replacement": replacement}
    try:
        yield
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = before


def _forward(*args: Any, _replacement: Callable[..., Any], **kwargs: Any) -> Any:
    return _replacement(*args, **kwargs)


def copied(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is now: one that stays so while the original is patched."""
    if not isinstance(function, types.FunctionType):
        return function
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


@contextmanager
def patched_on_import(patches: Mapping[str, PatchOf]) -> Iterator[None]:
    """Enter each module's patches at once if it is imported already, else as soon as something imports it.

    So a heavy package that is seldom used need not be imported only to be patched.
    """
    with ExitStack() as stack:
        for name, patch in patches.items():
            if (module := sys.modules.get(name)) is not None:
                stack.enter_context(patch(module))

        active = True

        def imported(module: types.ModuleType) -> None:
            # A lazy loader may execute the module when the block is long over.
            if active:
                stack.enter_context(patches[module.__name__](module))

        finder = _Finder({name for name in patches if name not in sys.modules}, imported)
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            active = False
            sys.meta_path.remove(finder)


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the other finders find a module, and has ``imported`` called with it once it has been executed."""

    def __init__(self, names: set[str], imported: Callable[[types.ModuleType], None]) -> None:
        self._names = names
        self._imported = imported

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names:
            return None
        self._names.remove(name)
        spec = importlib.util.find_spec(name)
        loader = spec.loader if spec else None
        if spec is None or loader is None:
            return None
        execute = loader.exec_module

        def exec_module(module: types.ModuleType) -> None:
            execute(module)
            self._imported(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class NotHereError(RuntimeError):
    """Something that is not on this machine and that lrdecay will not fetch. It passes through code of the stack.

    ``needs`` is its name, for a table of many configs; ``fix`` is what makes it available.
    """

    # All but the first have defaults: code of the stack may raise it anew with the message alone.
    def __init__(self, message: str, needs: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.needs = needs
        self.fix = fix
