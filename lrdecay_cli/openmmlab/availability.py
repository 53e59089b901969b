"""Whether a config and the stack that builds it are there. Importable without the stack, and imports nothing of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files import find_config

_NEEDED = ("torch", "mmengine")


def check_config(config: str) -> None:
    """Raise LrdecayError unless the config is there, and what building it needs."""
    find_config(config)
    check_stack(config)


def check_stack(config: str, *, what: str = "config", needed: Sequence[str] = _NEEDED) -> None:
    """Raise LrdecayError, about ``config``, unless torch and mmengine can be had."""
    try:
        Path.cwd()
    except OSError as error:
        # Intel's library, which torch loads, would end the process without a word.
        raise LrdecayError(
            "the working directory is gone", where=config, remedy="change to one that is there"
        ) from error
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise LrdecayError(
            f"a {what} needs {' and '.join(missing)}, not installed here",
            where=config,
            remedy='pip install "lrdecay-cli[stack]" for a complete stack, "lrdecay-cli[mmdet]" beside your own',
        )
