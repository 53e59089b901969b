"""Replace attributes temporarily, and restore them exactly.

Also defines the error for files that this machine does not have.
"""

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
"""Function that takes a newly imported module and returns a context manager with patches for it."""


@contextmanager
def patched(owner: Any, **replacements: Any) -> Iterator[None]:
    """Inside the ``with`` block, set attributes of a module or class. Afterwards restore or delete each attribute."""
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
    """Replace functions of a module, also for code that imported them by name (``from owner import f``).

    A Python function object gets another body, so all code that imported it runs the replacement. Any other callable is
    replaced only as an attribute of the module.
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
    # The body runs with the globals of the function's own module, so it cannot use names of this module.
    function.__kwdefaults__ = {"_replacement": replacement}
    try:
        yield
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = before


def _forward(*args: Any, _replacement: Callable[..., Any], **kwargs: Any) -> Any:
    return _replacement(*args, **kwargs)


def copied(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy of the function. The copy stays unchanged while the original is patched."""
    if not isinstance(function, types.FunctionType):
        return function
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


@contextmanager
def patched_on_import(patches: Mapping[str, PatchOf]) -> Iterator[None]:
    """Patch each module: now if it is already imported, otherwise when it is imported.

    So a slow and rarely used package is not imported only to patch it.
    """
    with ExitStack() as stack:
        for name, patch in patches.items():
            if (module := sys.modules.get(name)) is not None:
                stack.enter_context(patch(module))

        active = True

        def imported(module: types.ModuleType) -> None:
            # A lazy loader may execute the module after the block has ended.
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
    """Import finder that calls ``imported`` with a module after the module is executed.

    To locate the file of the module, it calls the other finders in ``sys.meta_path``.
    """

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
    """Raised if a model needs a file or another model that this machine does not have. lrdecay does not download it.

    Code of torch or OpenMMLab may catch the error and raise it again with only its message.

    ``needs`` is a short name of the missing file or model. The status of the config, ``needs <name>``, contains it.
    ``fix`` is an instruction.
    """

    # Only the message has no default: code of torch or OpenMMLab may raise the error again with only a message.
    def __init__(self, message: str, needs: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.needs = needs
        self.fix = fix
