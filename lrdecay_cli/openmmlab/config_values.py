"""Convert values of configs and parameter groups to JSON values, and look up registered names."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lrdecay_cli.domain.precision import EPSILON
from lrdecay_cli.domain.stack import Distribution
from lrdecay_cli.files.distributions import distribution_behind
from lrdecay_cli.text.python_source import NOT_FINITE, finite_or_name

if TYPE_CHECKING:
    from mmengine.registry import Registry


def plain(value: Any) -> Any:
    """Return ``value`` as JSON types: dicts, lists, strings, numbers, booleans and None.

    One-element tensors become numbers, and classes become their names. A number that is not finite becomes its name in
    ``NOT_FINITE``. Any other object becomes the name of its class, because its repr may contain a memory address, which
    differs in each run.
    """
    if isinstance(value, float):
        return finite_or_name(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=repr)
    if _is_array(value):
        if math.prod(value.shape) != 1 or getattr(value, "is_meta", False):
            return f"{'Tensor' if isinstance(value, torch.Tensor) else type(value).__name__}{tuple(value.shape)}"
        single = value.item()
        # item() of an extended double returns the same type.
        return plain(float(single) if _is_array(single) else single)
    if isinstance(value, torch.dtype):
        return str(value)
    return type_name(value if isinstance(value, type) or callable(value) else type(value))


def _is_array(value: Any) -> bool:
    """True for a tensor, a NumPy array or a NumPy scalar."""
    # A value from NumPy exists only if NumPy is imported. torch does not require NumPy.
    numpy = sys.modules.get("numpy")
    return isinstance(value, torch.Tensor) or (numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)))


def precision_of(value: Any) -> str | None:
    """Return the precision (a key of ``EPSILON``) of a tensor or array; None for Python floats.

    For a list or tuple, return the precision of the first item that has one. Nested lists are ignored.
    """
    if isinstance(value, (list, tuple)):
        # Numbers only: nested lists may be larger than any memory.
        return next(filter(None, (precision_of(each) for each in value if not isinstance(each, (list, tuple)))), None)
    name = str(value.dtype).removeprefix("torch.") if _is_array(value) else ""
    return name if name in EPSILON else None


def type_name(value: Any) -> str:
    """Return the name of a registered type. A string is returned unchanged."""
    if isinstance(value, str):
        return value
    return str(getattr(value, "__name__", None) or type(value).__name__)


def number(value: Any) -> float | None:
    """Return a learning rate or weight decay as a float; None if ``value`` is None.

    Raises:
        TypeError: ``value`` is not a number.
    """
    if value is None:
        return None
    if _is_array(value):
        value = value.item()
    elif isinstance(value, str):
        value = NOT_FINITE.get(value, value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def arguments_of(kind: Any) -> Iterator[tuple[Any, list[inspect.Parameter], bool]]:
    """Yield ``kind``, a class or function, and then each base class that gets arguments when ``kind`` is called.

    Every item has three values: the class or function, its parameters, and whether the parameters include ``**kwargs``.
    A base class gets arguments if the class before it accepts ``**kwargs``.

    Raises:
        TypeError, ValueError: Python cannot find a signature.
    """
    for each in kind.__mro__[:-1] if isinstance(kind, type) else (kind,):
        if not isinstance(kind, type):
            arguments = [*inspect.signature(kind).parameters.values()]
        elif "__init__" in vars(each):
            arguments = [*inspect.signature(vars(each)["__init__"]).parameters.values()][1:]
        else:
            continue
        passes_on = any(argument.kind is argument.VAR_KEYWORD for argument in arguments)
        yield each, arguments, passes_on
        if not passes_on:
            return


def find_registered(registry: Registry, named: Any, scope: str | None = None) -> Any:
    """Return the class that is registered as ``named``; None if there is none.

    If ``named`` is not a string, it is returned unchanged. ``scope`` is the registry scope to search; None for the
    default scope.

    Source: mmengine 0.10.7, ``Registry.get``. This method returns None for most unknown names, but raises RuntimeError
    for names that cannot be a module path (``''``, ``'.AdamW'``).
    """
    if not isinstance(named, str):
        return named
    with registry.switch_scope_and_registry(scope) as own, suppress(RuntimeError):
        return own.get(named)
    return None


def stack_versions(kinds: Iterable[type], *packages: str) -> dict[str, str]:
    """Return the versions of mmengine, torch, ``packages``, and the packages that define the classes in ``kinds``."""
    names = sorted({"mmengine", "torch", *packages, *(kind.__module__.partition(".")[0] for kind in kinds)})
    versions = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    return {name: str(version) for name, version in versions.items() if version is not None}


def distributions_of_stack(stack: Mapping[str, str]) -> dict[str, Distribution]:
    """Return the installed distribution of each package in ``stack``, a dict from package to version.

    Packages that come from no distribution are omitted.
    """
    files = {name: str(getattr(sys.modules[name], "__file__", None) or "") for name in stack}
    found = {name: _imported_from(name, files[name], version) for name, version in stack.items()}
    return {name: distribution for name, distribution in found.items() if distribution is not None}


@cache
def _imported_from(package: str, file: str, version: str) -> Distribution | None:
    """Return the distribution of an imported package. The result is cached, because a process imports a package only
    once.
    """
    return distribution_behind(package, Path(file).parent, version)
