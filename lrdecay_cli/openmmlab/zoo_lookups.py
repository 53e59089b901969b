"""Find configs such as ``mmdet::...`` in a ``_base_`` as mmengine does, but without repeating work for each name.

Source: mmengine 0.10.7. For each name, ``config/utils.py`` (``_get_cfg_metainfo``) parses all metafiles of the package,
a hundred in mmdet. ``utils/package_utils.py`` (``is_installed``) lists all installed packages with pkg_resources.

Here, only a metafile that contains the name is parsed, and a file is read again only if it changed. Packages are found
with Python's importlib.metadata. Tests compare the results with those of mmengine's own functions.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import mmengine.config.utils
from mmengine.utils import package_utils

from lrdecay_cli.cache import probed
from lrdecay_cli.cache.evidence import stamp
from lrdecay_cli.openmmlab.patching import copied, patched_functions

_texts: dict[str, tuple[list[int], Any]] = {}
_metafiles: dict[str, tuple[list[int], Any]] = {}
"""Cache of parsed metafiles: from path to file stamp (times and size) and content. ``_texts`` caches unparsed text."""
# A package name that needs no normalisation and no parser of requirements.
_NAME = re.compile(r"\w+")
# A list of paths in YAML that needs no parser.
_INDEX = re.compile(r"Import:\n(?: *- [A-Za-z][\w./+-]*\.yml\n?)+")


@contextmanager
def remembered_zoos() -> Iterator[None]:
    """Inside this block, mmengine uses the lookups of this module, which read a file again only if it changed."""
    # Without it, mmengine's own functions fail.
    if not _finds("pkg_resources"):
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
    """True if a distribution or module with the name ``package`` is installed.

    None if this function cannot decide. In this case, mmengine's own function is called.
    """
    if not _NAME.fullmatch(package):
        return None
    if _location(package) is not None:
        return True
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def installed_path(package: str) -> str | None:
    """Return the folder of the installed package ``package``.

    None if this function cannot find the folder. In this case, mmengine's own function is called.
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
    for name in _metafiles_of(os.path.join(package_path, ".mim", "model-index.yml")):  # noqa: PTH118
        file = os.path.join(package_path, ".mim", name)  # noqa: PTH118 (faster than pathlib, for a hundred files)
        text = _once(_texts, file, _text)
        # Most files do not have the name at all, which is faster to find out.
        if (config not in text and "\\" not in text) or not spelt.search(text):
            continue
        for model in _once(_metafiles, file, mmengine.config.utils.load)["Models"]:
            if "Config" in model and model["Config"].partition("/")[-1] == config:
                found: dict[str, Any] = model
                return found
    raise ValueError(f"no metafile below {package_path} contains the config {config}")


def _metafiles_of(index: str) -> list[str]:
    text = _once(_texts, index, _text)
    # Importing and running a YAML parser takes longer than the rest of a lookup.
    if _INDEX.fullmatch(text):
        return [line.split()[1] for line in text.splitlines()[1:]]
    files: list[str] = _once(_metafiles, index, mmengine.config.utils.load)["Import"]
    return files


def _once(known: dict[str, tuple[list[int], Any]], path: str, read: Callable[[str], Any]) -> Any:
    """Return ``read(path)``, or the result in ``known`` if the file has not changed since the last call."""
    now = stamp(path)
    before, found = known.get(path, (None, None))
    if now is not None and now == before:
        # The result depends on the file, although it is not opened now.
        probed(path)
        return found
    found = read(path)
    if now is not None:
        known[path] = (now, found)
    return found


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


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
