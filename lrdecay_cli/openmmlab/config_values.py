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
    """Return ``value`` with mappings as dicts, sequences as lists, one-element tensors as numbers, classes as names.

    A number that is not finite becomes its name in ``NOT_FINITE``. Any other object becomes its class's name: its repr
    may contain an address, which differs in each run.
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
    # A program that has one of NumPy's has imported it; torch does without.
    numpy = sys.modules.get("numpy")
    return isinstance(value, torch.Tensor) or (numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)))


def precision_of(value: Any) -> str | None:
    """Return the precision (a key of ``EPSILON``) of a value or of the first in a sequence; None for Python floats."""
    if isinstance(value, (list, tuple)):
        # Numbers only: nested lists may be larger than any memory.
        return next(filter(None, (precision_of(each) for each in value if not isinstance(each, (list, tuple)))), None)
    name = str(value.dtype).removeprefix("torch.") if _is_array(value) else ""
    return name if name in EPSILON else None


def type_name(value: Any) -> str:
    """Return the name of a registered type: a string unchanged, a class or function by its own name."""
    if isinstance(value, str):
        return value
    return str(getattr(value, "__name__", None) or type(value).__name__)


def number(value: Any) -> float | None:
    """Return a learning rate or weight decay as a float; None stays None. Raises TypeError for other values."""
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
    """For a call of ``kind``, yield each class that receives arguments, its arguments, and whether it has ``**kwargs``.

    The class or function comes first. Its bases follow as long as each class passes on ``**kwargs``. Raises TypeError
    or ValueError for signatures that Python does not know.
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
    """Look up ``named`` in a registry, in ``scope`` or the default one; None if unknown.

    Returns ``named`` unchanged if it is not a string.

    Source: mmengine 0.10.7, ``Registry.get``, which returns None for most unknown names and raises RuntimeError for
    names that cannot be a module path (``''``, ``'.AdamW'``).
    """
    if not isinstance(named, str):
        return named
    with registry.switch_scope_and_registry(scope) as own, suppress(RuntimeError):
        return own.get(named)
    return None


def stack_versions(kinds: Iterable[type], *packages: str) -> dict[str, str]:
    """Return the versions of mmengine, torch, ``packages`` and every package that defines one of the classes."""
    names = sorted({"mmengine", "torch", *packages, *(kind.__module__.partition(".")[0] for kind in kinds)})
    versions = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    return {name: str(version) for name, version in versions.items() if version is not None}


def distributions_of_stack(stack: Mapping[str, str]) -> dict[str, Distribution]:
    """Return the installed distribution of each package of :func:`stack_versions` that has one."""
    files = {name: str(getattr(sys.modules[name], "__file__", None) or "") for name in stack}
    found = {name: _imported_from(name, files[name], version) for name, version in stack.items()}
    return {name: distribution for name, distribution in found.items() if distribution is not None}


@cache
def _imported_from(package: str, file: str, version: str) -> Distribution | None:
    """Return the distribution of an imported package. Cached, because a process imports a package only once."""
    return distribution_behind(package, Path(file).parent, version)
