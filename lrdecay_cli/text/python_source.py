"""Write values as Python source, including NaN and infinity, for which neither Python nor JSON has a literal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_FINITE: Mapping[str, float] = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
"""JSON strings for NaN and infinity. Source: the JSON mapping of Protocol Buffers 3."""


def finite_or_name(value: float) -> float | str:
    """Return a finite ``value`` as a float, and NaN or infinity as a name from :data:`NOT_FINITE`.

    JSON has no literal for NaN and infinity.
    """
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def as_python(value: Any) -> str:
    """Return ``value`` as Python on one line, for example ``dict(lr_mult=0.1)`` or ``{'.bias': [1, 2]}``."""
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
    """Return assignments to paste into a config, on one line. For example, ``train_cfg=dict(max_epochs=12)``.

    A terminal may wrap the line at a blank. Blanks occur only inside brackets, so the wrapped line is valid Python too.
    """
    return "; ".join(f"{name}={as_python(value)}" for name, value in settings.items())
