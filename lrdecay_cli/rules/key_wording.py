"""Custom keys as a config has them, in messages and remedies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrdecay_cli.rules.context import PARAMWISE


def key_option(key: str, setting: str = "") -> str:
    """Path of a custom key, or of what it sets, in a config: ``optim_wrapper.paramwise_cfg.custom_keys['.bias']``."""
    path = f"{PARAMWISE}.custom_keys" + (f".{key}" if key.isidentifier() else f"[{key!r}]")
    return f"{path}.{setting}" if setting else path


def longer_key(parameter: str, key: str) -> str:
    """A custom key for a parameter that counts before ``key``: the path of its module, or its name."""
    path = parameter.rpartition(".")[0]
    return path if len(path) > len(key) else parameter


def as_dict(settings: Mapping[str, Any]) -> str:
    """``dict(lr_mult=0.1, decay_mult=0.0)``."""
    return f"dict({', '.join(f'{name}={value!r}' for name, value in settings.items())})"
