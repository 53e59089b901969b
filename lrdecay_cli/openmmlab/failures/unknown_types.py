"""Build errors about an unregistered ``type``. An error names the key in the config, and a similar registered name."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mmengine.registry import Registry, root

from lrdecay_cli.constructors import CONSTRUCTORS, OURS, PUBLISHED
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.packages import ZOOS, distribution_of
from lrdecay_cli.openmmlab.config_values import find_registered
from lrdecay_cli.openmmlab.failures.missing_packages import Need
from lrdecay_cli.openmmlab.failures.project_modules import import_that_registers
from lrdecay_cli.openmmlab.lazy_imports.late_types import late_modules
from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import is_deferred
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import REGISTERING, load_deferred
from lrdecay_cli.text.spelling import nearest

_RENAMED = {"mmcls": "mmpretrain", "mmselfsup": "mmpretrain"}


class UnknownTypeError(LrdecayError):
    """Raised if no registry contains a ``type`` of the config."""


def check_registered(registry: Registry, settings: Mapping[str, Any], where: str, config: Any) -> None:
    """Raise the error of :func:`unknown_type` if ``settings["type"]`` is not registered."""
    named, scope = settings.get("type"), settings.get("_scope_")
    if named is None or find_registered(registry, named, scope) is not None:
        return
    for module in late_modules(registry.name):
        load_deferred(module)
    if find_registered(registry, named, scope) is None:
        with registry.switch_scope_and_registry(scope) as own:
            raise unknown_type(named, own.scope, own.name, where=where, config=config)


def unknown_type(name: str, scope: str, registry: str, *, where: str, config: Any) -> UnknownTypeError:
    """Return the error for an unregistered ``type``, with the key in the config and a similar registered name."""
    key = key_of_type(config, name)
    known = _registered(registry)
    package, _, bare = name.rpartition(".")
    # Names that work without a scope come first.
    here = nearest(bare, _registered(registry, (scope, "mmengine")), likeness=0.8)
    like = here or nearest(bare, known, likeness=0.6)
    # A config with the old name does not import the package, so its types are often not registered.
    now = _RENAMED.get(package, "")
    there = _registered(registry, (now,))
    renamed = nearest(bare, there, likeness=0.8) if there else bare
    is_constructor = registry in REGISTRIES
    imports = getattr(config, "get", lambda _: None)("custom_imports")
    beside = isinstance(imports, Mapping) and bool(imports.get("imports"))
    if bare not in known and (imported := import_that_registers(bare, where, beside=beside)):
        fix = imported
    elif is_constructor:
        fix = suggest_constructor(name, scope, known) or _registered_nowhere(bare)
    elif bare in known and bare == name:
        fix = f"{known[bare]} registers this type: set default_scope={known[bare]!r}, or write {known[bare]}.{bare}"
    elif now and renamed:
        fix = f"{package} is now part of {now}: write {now}.{renamed}"
    elif like:
        # A type of another package needs that package's name in front.
        bare_is_enough = here and "." not in name
        fix = f"did you mean {like if bare_is_enough else f'{known[like]}.{like}'}?"
    else:
        fix = "check the spelling of the type, and add its module to custom_imports"
    place = "optim_wrapper.constructor" if is_constructor else f"{key}.type" if key else ""
    at = f" at {place}" if place else ""
    package = package or _scope_at(config, key)
    if package in ZOOS and importlib.util.find_spec(package) is None and not now:
        need = Need(distribution_of(package), None)
        return UnknownTypeError(
            f"{registry} {name!r}{at} belongs to {package}, which is not installed",
            where=where,
            fix=need.fix,
            status=f"needs {need.name}",
            final=True,
            key=place,
        )
    return UnknownTypeError(
        f"unknown {registry} {name!r}{at} (registry scope {scope})",
        where=where,
        fix=fix,
        final=_all_registered(name, scope, registry, config, near=here is not None),
        key=place,
    )


def _all_registered(name: str, scope: str, registry: str, config: Any, *, near: bool) -> bool:
    """True if no deferred import could register ``name`` or a better suggestion for ``name``.

    Args:
        name: the unregistered name.
        scope: the scope in which ``name`` was looked up.
        registry: the registry in which ``name`` was looked up.
        config: the loaded config; None if unknown.
        near: True if a registered name in the same scope resembles ``name``. In this case, deferred imports of other
            scopes do not matter.
    """
    imports = getattr(config, "get", lambda _: None)("custom_imports")
    if config is None or (isinstance(imports, Mapping) and imports.get("allow_failed_imports")):
        return False
    if late := late_modules(registry):
        return not any(map(is_deferred, late))
    if registry in REGISTRIES or not any(map(is_deferred, REGISTERING)):
        return True
    return near and "mmpretrain" not in (scope, name.partition(".")[0])


def _registered(registry: str, scopes: Sequence[str] = ()) -> dict[str, str]:
    """Return a dict from each type in the registries named ``registry`` to its scope: ``{"AdamW": "mmengine"}``.

    If ``scopes`` is not empty, only the registries of these scopes are searched.
    """
    found: dict[str, str] = {}
    for top in [kind for kind in vars(root).values() if isinstance(kind, Registry) and kind.parent is None]:
        kinds = [top, *top.children.values()]
        # A package may give its own registry another name.
        for kind in kinds if any(kind.name == registry for kind in kinds) else ():
            if not scopes or kind.scope in scopes:
                found.update(dict.fromkeys(kind.module_dict, kind.scope))
    return found


def key_of_type(config: Any, name: str, *, holding: str = "type") -> str:
    """Return the dotted path of the first dict in ``config`` with the type ``name``; empty if there is none.

    Dicts that do not contain the key ``holding`` (by default ``"type"``) are skipped.
    """
    # Reading a lazy config imports modules: an error there must not replace the one that is reported.
    with suppress(Exception):
        return _path_of_type(config, name, holding)
    return ""


def _path_of_type(config: Any, name: str, holding: str, path: str = "") -> str:
    config = getattr(config, "_cfg_dict", config)
    if isinstance(config, Mapping):
        kind = config.get("type")
        is_it = kind == name or getattr(kind, "__name__", str(kind).rpartition(".")[2]) == name
        if path and holding in config and is_it:
            return path
        items = [(f"{path}.{key}" if path else str(key), value) for key, value in config.items()]
    elif isinstance(config, (list, tuple)):
        items = [(f"{path}[{index}]", value) for index, value in enumerate(config)]
    else:
        return ""
    return next((found for key, value in items if (found := _path_of_type(value, name, holding, key))), "")


def _scope_at(config: Any, path: str) -> str:
    """Return the registry scope at a path of the config: the innermost ``_scope_``, else ``default_scope``.

    Source: mmengine 0.10.7, ``registry/build_functions.py``. A dict inherits the ``_scope_`` of the dict around it.
    """
    place = getattr(config, "_cfg_dict", config)
    scope = place.get("default_scope") if isinstance(place, Mapping) else None
    for name in re.findall(r"[^.\[\]]+", path):
        with suppress(Exception):
            place = place[int(name)] if isinstance(place, (list, tuple)) else place[name]
        scope = place.get("_scope_", scope) if isinstance(place, Mapping) else scope
    return scope or ""


REGISTRIES = ("optimizer wrapper constructor", "optimizer constructor")
"""Two names of the registry of optimizer wrapper constructors: first the name in mmengine, then in MMDetection."""

# Constructors are registered when their package is imported, which a config with a wrong name does not do.
_SCOPED = [spec for spec in CONSTRUCTORS if spec.scope]
_IMPORT_OURS = f"custom_imports = dict(imports={[*OURS.imports]})"


def suggest_constructor(name: str, scope: str, registered: Mapping[str, str]) -> str:
    """Return the fix for the unknown constructor ``name``; empty if no known name is the same or similar.

    ``scope`` is the registry scope of the config. ``registered`` maps the name of each registered constructor to its
    scope.
    """
    bare = name.rpartition(".")[2]
    # If several packages have the name, use the one of the scope, else the first.
    first = {spec.name: spec.scope for spec in reversed(_SCOPED)}
    of_scope = {spec.name: spec.scope for spec in _SCOPED if spec.scope == scope}
    packages = {**registered, **first, **of_scope}
    own = next((spec.name for spec in _SCOPED if spec.scope == scope and spec.lr_from == "layers"), None)
    if bare in packages and packages[bare] != scope and bare != OURS.name:
        package = packages[bare]
        if importlib.util.find_spec(package) is None:
            owner = f"the constructor belongs to {package}, which is not installed"
            if own:
                return f"{owner}: did you mean {scope}'s {own}?"
            return f"{owner}: pip install {distribution_of(package)}" if package in ZOOS else owner
        if own:
            return f"the constructor belongs to {package}: did you mean {scope}'s {own}, or {package}.{bare}?"
        return f"the constructor belongs to {package}: write {package}.{bare}"
    # Every scope finds mmengine's types.
    here = [known for known, package in packages.items() if package in (scope, "mmengine")]
    like = nearest(bare, here, likeness=0.8) or nearest(bare, packages, likeness=0.6)
    if like is None or _has_unlike_words(bare, like):
        return ""
    if like == OURS.name:
        return f"did you mean {OURS.name}, with {_IMPORT_OURS}?"
    return f"did you mean {like if like in here else f'{packages[like]}.{like}'}?"


def _has_unlike_words(name: str, like: str) -> bool:
    """True if a word in ``name`` is similar to no word in ``like``.

    In this case, ``name`` is the name of another class, and not a misspelling of ``like``.
    """
    words, others = _CAMEL.findall(name), _CAMEL.findall(like)
    return not all(nearest(word, others, likeness=0.7) for word in words)


_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|\d+")


def _registered_nowhere(bare: str) -> str:
    """Return the fix for a constructor that no installed package registers."""
    known = next((spec.project for spec in PUBLISHED if spec.name == bare), "")
    defined = f" ({known} defines a constructor with this name)" if known else ""
    return f"no installed package registers {bare}{defined}: import its module with custom_imports=dict(imports=[...])"
