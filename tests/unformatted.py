"""Configs that mmengine writes are not laid out by yapf in tests: that took half of the time of every training."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mmengine.config.config as mmengine_config

_format_code = mmengine_config.FormatCode


def unformatted(text: str, **options: Any) -> tuple[str, bool]:
    """In the place of yapf's ``FormatCode``: valid Python stays as it is, and what else there is, yapf judges."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        formatted: tuple[str, bool] = _format_code(text, **options)
        return formatted
    return text, False


def leave_configs_unformatted() -> None:
    """For the whole process."""
    mmengine_config.FormatCode = unformatted


@contextmanager
def formatting() -> Iterator[None]:
    """Lay configs out as mmengine does, where their text is the subject."""
    mmengine_config.FormatCode = _format_code
    try:
        yield
    finally:
        mmengine_config.FormatCode = unformatted
