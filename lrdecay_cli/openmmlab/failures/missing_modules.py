"""What to do about a module that a config imports and that is not there: a package, or code of one's own."""

from __future__ import annotations

import difflib
import importlib.util
import os
import pkgutil
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from lrdecay_cli.files.config_path import ZOOS, config_path

_PACKAGES = (*ZOOS, "mmcls", "mmcv", "mmselfsup", "mmdeploy", "mmrazor", "mmpretrain", "timm", "transformers", "einops")
# What holds a project's code, beside its root.
_SOURCES = ("", "src")


def is_own(module: str, listed: Sequence[str]) -> bool:
    """Whether a missing module is one that ``custom_imports`` lists itself, and of no package that is known.

    Nobody is advised to install whatever name stands in a config.
    """
    return module not in _PACKAGES and any(one.partition(".")[0] == module for one in listed)


def own_remedy(module: str, config: str) -> str:
    """How to make code of one's own importable: with its folder, where that is found above the config or from here."""
    for folder in _folders(config):
        for source in _SOURCES:
            if _holds(folder / source, module):
                return f"set PYTHONPATH={shlex.quote(os.path.relpath(folder / source))}, as for training"
    return f"run lrdecay in the folder that holds {module}, put that on PYTHONPATH, or install it if it is a package"


def _holds(folder: Path, module: str) -> bool:
    try:
        return (folder / f"{module}.py").is_file() or any((folder / module).glob("*.py"))
    except OSError:
        return False


def submodule_remedy(missing: str) -> str:
    """What may be meant by ``package.module``, whose package is there and has no such module; empty for any other."""
    package, _, name = missing.rpartition(".")
    try:
        spec = importlib.util.find_spec(package) if package else None
    except (ImportError, ValueError):
        return ""
    if spec is None or spec.submodule_search_locations is None:
        return ""
    places = list(spec.submodule_search_locations)
    names = [module.name for module in pkgutil.iter_modules(places)]
    nearest = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {package}.{nearest[0]}?" if nearest else f"{package} is {next(iter(places), 'here')}"


def _folders(config: str) -> Iterator[Path]:
    file = config_path(config)
    if file is not None:
        yield from file.absolute().parents
    yield from Path.cwd().parents
