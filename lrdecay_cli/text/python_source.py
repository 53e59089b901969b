"""Values as the Python that a config has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_python(value: Any) -> str:
    """``value`` as Python on one line: ``dict(lr_mult=0.1)``, ``{'.bias': dict(decay_mult=0)}``, ``[1, 2]``."""
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key.isidentifier() for key in value):
            return f"dict({', '.join(f'{key}={as_python(item)}' for key, item in value.items())})"
        return f"{{{', '.join(f'{key!r}: {as_python(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_python, value))}]"
    return repr(value)


def assignments(settings: Mapping[str, Any]) -> str:
    """Assignments to paste into a config, on one line: ``train_cfg=dict(max_epochs=12)``.

    Without blanks outside of brackets, so that it is still Python where a terminal breaks the line at one.
    """
    return "; ".join(f"{name}={as_python(value)}" for name, value in settings.items())
