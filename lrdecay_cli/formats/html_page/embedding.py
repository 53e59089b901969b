"""Data inside a page: JSON that no HTML parser can mistake for markup."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def script_json(value: Any) -> str:
    r"""``value`` as JSON for a ``<script type="application/json">``: ASCII, ``<``, ``>`` and ``&`` as ``\u`` escapes.

    A number that is not finite, which JSON cannot hold, becomes its name as a string.
    """
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
