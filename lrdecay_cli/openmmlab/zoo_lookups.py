"""Find configs such as ``mmdet::...`` in a ``_base_`` as mmengine does, but without repeating work for each name.

Source: mmengine 0.10.7. For each name, ``config/utils.py`` (``_get_cfg_metainfo``) parses all metafiles of the package,
a hundred in mmdet. ``utils/package_utils.py`` (``is_installed``) lists all installed packages. Here, a metafile is
parsed again only if it changed. Packages are listed again only if the search path or one of its folders changed.

The console command does even less. It parses only the metafile that contains the name, and finds packages with Python's
importlib.metadata. Tests compare both methods with mmengine's own functions.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import mmengine.config.config
import mmengine.config.utils
from mmengine.utils import package_utils

from lrdecay_cli.cache import probed
from lrdecay_cli.cache.evidence import stamp
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import defers_imports
from lrdecay_cli.openmmlab.patching import copied, patched, patched_functions

_metafiles: dict[str, tuple[list[int], Any]] = {}
_installed: dict[str, Any] = {}
# A package name that needs no normalisation and no parser of requirements.
_NAME = re.compile(r"\w+")
# A list of paths in YAML that needs no parser.
_INDEX = re.compile(r"Import:\n(?: *- [A-Za-z][\w./+-]*\.yml\n?)+")


@contextmanager
def remembered_zoos() -> Iterator[None]:
    """Inside this block, mmengine uses the metafiles that were parsed before."""
    load, is_installed = mmengine.config.utils.load, mmengine.config.config.is_installed

    def load_once(path: str) -> Any:
        now = stamp(path)
        before, known = _metafiles.get(path, (None, None))
        if now is not None and now == before:
            # The result depends on the metafile, although it is not opened now.
            probed(path)
            return known
        parsed = load(path)
        if now is not None:
            _metafiles[path] = (now, _in_short(parsed))
        return parsed

    def is_installed_once(package: str) -> bool:
        state = [sys.modules.get("pkg_resources"), *((folder, stamp(folder)) for folder in sys.path)]
        if state[0] is not None and _installed.get(package) == state:
            return True
        found: bool = is_installed(package)
        if found:
            state[0] = sys.modules.get("pkg_resources")
            _installed[package] = state
        return found

    with (
        patched(mmengine.config.utils, load=load_once),
        patched(mmengine.config.config, is_installed=is_installed_once),
        _short_lookups(),
    ):
        yield


def _in_short(metafile: Any) -> Any:
    """Return only the part of a metafile that a lookup reads: the names of its configs."""
    match metafile:
        case {"Models": [*models]} if all(isinstance(model, dict) and "Config" in model for model in models):
            return {"Models": [{"Config": model["Config"]} for model in models]}
        case _:
            return metafile


@contextmanager
def _short_lookups() -> Iterator[None]:
    """Inside this block, mmengine uses the faster lookups of this module, if the console command defers imports."""
    if not defers_imports() or not _finds("pkg_resources"):
        yield
        return
    with (
        patched_functions(
            package_utils,
            is_installed=_short(is_installed, package_utils.is_installed),
            get_installed_path=_short(installed_path, package_utils.get_installed_path),
        ),
        patched_functions(
            mmengine.config.utils, _get_cfg_metainfo=_short(config_entry, mmengine.config.utils._get_cfg_metainfo)
        ),
    ):
        yield


def is_installed(package: str) -> bool | None:
    """Return whether a distribution or module ``package`` is installed; None if mmengine's own function must decide."""
    if not _NAME.fullmatch(package):
        return None
    if _location(package) is not None:
        return True
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def installed_path(package: str) -> str | None:
    """Return the folder of the package whose distribution is ``package``; None if mmengine's own function must
    find it.
    """
    location = _location(package) if _NAME.fullmatch(package) else None
    path = os.path.join(location, package) if location else ""  # noqa: PTH118 (mmengine's own spelling of the path)
    return path if path and Path(path).exists() else None


def config_entry(package_path: str, config: str) -> dict[str, Any]:
    """Return the entry of a config (``folder/name``) in the metafiles of a package.

    Raises:
        ValueError: no metafile contains the config. mmengine raises the same error.
    """
    # Only a YAML escape could spell the name differently.
    spelt = re.compile(rf"{re.escape(config)}(?![\w.+%/-])|\\")
    for name in _metafiles_of(Path(package_path, ".mim", "model-index.yml")):
        file = Path(package_path, ".mim", name)
        if not spelt.search(file.read_text(encoding="utf-8")):
            continue
        for model in mmengine.config.utils.load(str(file))["Models"]:
            if "Config" in model and model["Config"].partition("/")[-1] == config:
                found: dict[str, Any] = model
                return found
    raise ValueError(f"no metafile below {package_path} has {config}")


def _metafiles_of(index: Path) -> list[str]:
    text = index.read_text(encoding="utf-8")
    # Importing and running a YAML parser takes longer than the rest of a lookup.
    if _INDEX.fullmatch(text):
        return [line.split()[1] for line in text.splitlines()[1:]]
    files: list[str] = mmengine.config.utils.load(str(index))["Import"]
    return files


def _location(package: str) -> str | None:
    try:
        folder = distribution(package).locate_file("")
    except PackageNotFoundError:
        return None
    # As pkg_resources spells it.
    return os.path.normcase(os.path.realpath(str(folder)))


def _finds(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:
        return False


def _short(short: Callable[..., Any], whole: Callable[..., Any]) -> Callable[..., Any]:
    whole = copied(whole)

    def look_up(*args: Any, **kwargs: Any) -> Any:
        found = short(*args, **kwargs)
        return whole(*args, **kwargs) if found is None else found

    return look_up
