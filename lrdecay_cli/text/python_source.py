"""Values as Python source, including the floats that neither Python nor JSON has a literal for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_FINITE: Mapping[str, float] = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
"""The JSON strings for floats that are not finite. Source: the JSON mapping of Protocol Buffers 3."""


def finite_or_name(value: float) -> float | str:
    """``value`` as a Python float; a name from :data:`NOT_FINITE` if JSON cannot hold it."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def as_python(value: Any) -> str:
    """``value`` as Python on one line: ``dict(lr_mult=0.1)``, ``{'.bias': dict(decay_mult=0)}``, ``[1, 2]``."""
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key.isidentifier() for key in value):
            return f"dict({', '.join(f'{key}={as_python(item)}' for key, item in value.items())})"
        return f"{{{', '.join(f'{key!r}: {as_python(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_python, value))}]"
    name = finite_or_name(value) if isinstance(value, float) else value
    # The repr of such a number is not a literal but the name of a variable.
    if isinstance(name, str) and name in NOT_FINITE:
        return f"float({name!r})"
    return repr(value)


def assignments(settings: Mapping[str, Any]) -> str:
    """Assignments to paste into a config, on one line: ``train_cfg=dict(max_epochs=12)``.

    Blanks occur only inside brackets, so that a line that a terminal wraps at a blank is still valid Python.
    """
    return "; ".join(f"{name}={as_python(value)}" for name, value in settings.items())
