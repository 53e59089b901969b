"""Skip yapf for configs that mmengine writes in tests: formatting took half of the time of every training."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mmengine.config.config as mmengine_config

_format_code = mmengine_config.FormatCode


def unformatted(text: str, **options: Any) -> tuple[str, bool]:
    """Replace yapf's ``FormatCode``: return valid Python unchanged, and pass other text to yapf."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        formatted: tuple[str, bool] = _format_code(text, **options)
        return formatted
    return text, False


def leave_configs_unformatted() -> None:
    """Skip yapf in the whole process."""
    mmengine_config.FormatCode = unformatted


@contextmanager
def formatting() -> Iterator[None]:
    """Format configs as mmengine does, for tests of their text."""
    mmengine_config.FormatCode = _format_code
    try:
        yield
    finally:
        mmengine_config.FormatCode = unformatted
