"""Finding and loading a training config the way mmengine's training entry point does (``mmdet/tools/train.py``)."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from lrdecay_cli.cache.recording import probed
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.failures import LOADING, explained
from lrdecay_cli.openmmlab.plain_values import plain

SUFFIXES = (".py", ".json", ".yaml", ".yml")


def find_config(given: str) -> Path:
    """The file behind ``given``: a path, or ``<package>::<path>`` in the config zoo of an installed package.

    Raises LrdecayError, with the nearest names, if there is no such file.
    """
    package, separator, in_zoo = given.partition("::")
    path = _find_in_zoo(given, package, in_zoo) if separator else Path(given)
    if path.is_dir():
        raise LrdecayError("is a directory, not a config", where=given, remedy="give one config file")
    if not path.exists():
        raise LrdecayError("no such config", where=given, remedy=_nearest(path.name, _siblings(path.parent)))
    if path.suffix not in SUFFIXES:
        raise LrdecayError(f"a config ends in {', '.join(SUFFIXES)}", where=given)
    return path


def load_config(given: str, overrides: dict[str, Any]) -> Config:
    """Load a config with its bases and custom imports, then apply ``--cfg-options``: the order of ``tools/train.py``.

    The working directory is importable, as it is for a project that is trained from its root; it comes last, so that
    it hides no installed package.
    """
    path = find_config(given)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    with explained(LOADING, given):
        config = Config.fromfile(str(path))
    if overrides:
        with explained(LOADING, f"{given}: --cfg-options"):
            config.merge_from_dict(overrides)
    return config


def parse_overrides(options: Sequence[str]) -> dict[str, Any]:
    """``["a.b=1", "c=[1,2]"]`` as mmengine's DictAction reads it. Raises LrdecayError for what is not ``key=value``."""
    for option in options:
        if "=" not in option.lstrip("="):
            raise LrdecayError(f"{option!r} is not key=value", where="--cfg-options")
    parser = ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    try:
        parsed = parser.parse_args(["--cfg-options", *options] if options else [])
    except (ArgumentError, AssertionError, ValueError, SyntaxError) as error:
        raise LrdecayError(f"cannot read {' '.join(options)!r} ({error})", where="--cfg-options") from error
    return dict(parsed.cfg_options)


def resolved_sha256(config: Config) -> str:
    """SHA-256 (hex) of the config with bases merged and overrides applied; the same on every run."""
    resolved = config.to_dict() if hasattr(config, "to_dict") else config._cfg_dict.to_dict()
    text = json.dumps(plain(resolved), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _find_in_zoo(given: str, package: str, in_zoo: str) -> Path:
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise LrdecayError(f"package {package!r} is not installed", where=given, remedy=f"pip install {package}")
    root = Path(spec.submodule_search_locations[0])
    # .mim/configs holds the zoo of a wheel; configs the new-style one, and that of an editable install.
    folders = [root / ".mim" / "configs", root / "configs", root.parent / "configs"]
    for folder in folders:
        probed(str(folder / in_zoo))
        if (folder / in_zoo).exists():
            return folder / in_zoo
    names = [file.relative_to(folder).as_posix() for folder in folders[:2] for file in folder.rglob("*.py")]
    raise LrdecayError(
        f"not in the config zoo of {package}", where=given, remedy=_nearest(in_zoo, names, f"{package}::")
    )


def _siblings(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.suffix in SUFFIXES] if folder.is_dir() else []


def _nearest(name: str, names: Sequence[str], prefix: str = "") -> str:
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {prefix}{nearest[0]}?" if nearest else "check the path"
