"""Writing a record as JSON text that is the same on every run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from lrdecay_cli.domain.errors import LrdecayError

# A shape or a pair of betas reads better on one line. No string can match: JSON has no line end inside one.
_NUMBER_LIST = re.compile(r"\[\n((?:\s+-?[0-9][0-9.eE+-]*,?\n)+)\s*\]")


def to_json(document: Any) -> str:
    """``document`` as indented JSON, keys in the order of its fields, with a final newline.

    Raises LrdecayError, with the JSON path, if a number is NaN or infinite: JSON cannot hold one.
    """
    import json

    data = msgspec.to_builtins(document)
    for path, value in not_finite(data):
        raise LrdecayError(f"is {value}, which JSON cannot hold", where=path, remedy="mend the config that makes it so")
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    return _NUMBER_LIST.sub(lambda match: f"[{', '.join(match[1].split())}]".replace(",,", ","), text) + "\n"


def not_finite(value: Any, path: str = "$") -> Iterator[tuple[str, float]]:
    """Path and value of every number below ``value`` that is NaN or infinite."""
    if isinstance(value, float):
        if not math.isfinite(value):
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from not_finite(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from not_finite(item, f"{path}[{index}]")
