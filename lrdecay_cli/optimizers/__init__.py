"""Table of measured effects: how each optimizer uses the lr and weight decay of its groups. Needs no torch.

``pytest tests/optimizers --update-golden`` measures the effects and writes the table. CONTRIBUTING.md shows how to
measure the optimizers of all packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects

TABLE = "effects.json"


@cache
def table() -> tuple[OptimizerEffects, ...]:
    """Return all rows of the table, sorted by distribution, class name and options."""
    return msgspec.json.decode(Path(__file__).with_name(TABLE).read_bytes(), type=tuple[OptimizerEffects, ...])


@cache
def _by_class() -> Mapping[tuple[str, str], list[OptimizerEffects]]:
    found: dict[tuple[str, str], list[OptimizerEffects]] = {}
    for row in table():
        found.setdefault((row.module, row.name), []).append(row)
    return found


def effects_of(module: str, name: str, options: Mapping[str, Any] | None = None) -> OptimizerEffects | None:
    """Return the table row for an optimizer class; None if the table does not contain the class.

    If several rows match ``options``, the row with the most options is returned.

    Args:
        module: module that defines the class, for example ``torch.optim.adamw``.
        name: name of the class.
        options: options of the optimizer, defaults included (``Optimizer.defaults``).
    """
    given = options or {}
    fitting = [
        row
        for row in _by_class().get((module, name), ())
        if all(key in given and given[key] == value for key, value in row.options.items())
    ]
    return max(fitting, key=lambda row: len(row.options), default=None)
