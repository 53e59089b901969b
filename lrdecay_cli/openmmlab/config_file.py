"""Loading a training config the way mmengine's training entry point does (``mmdet/tools/train.py``)."""

from __future__ import annotations

import hashlib
import json
import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from lrdecay_cli.cache.recording import probed
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import config_places, find_config
from lrdecay_cli.openmmlab.config_values import plain
from lrdecay_cli.openmmlab.failures.translate import LOADING, explained


def load_config(given: str, overrides: dict[str, Any]) -> Config:
    """Load a config with its bases and custom imports, then apply ``--cfg-options``: the order of ``tools/train.py``.

    The working directory is importable, as it is for a project that is trained from its root; it comes last, so that
    it hides no installed package.
    """
    path = find_config(given)
    for place in config_places(given):
        probed(str(place))
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
    except (ArgumentError, AssertionError, ValueError, SyntaxError, RecursionError) as error:
        raise LrdecayError(f"cannot read {' '.join(options)!r} ({error})", where="--cfg-options") from error
    return dict(parsed.cfg_options)


def resolved_sha256(config: Config) -> str:
    """SHA-256 (hex) of the config with bases merged and overrides applied; the same on every run."""
    resolved = config.to_dict() if hasattr(config, "to_dict") else config._cfg_dict.to_dict()
    text = json.dumps(plain(resolved), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
