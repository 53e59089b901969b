"""What the optimizers of a training do with the lr and weight decay of their groups: by the table, or measured."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.optimizers import effects_of


def effects_in(optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, OptimizerEffects]:
    """By the optimizer's name.

    Read from the table of effects where it has the class in the installed version. Else a twin of the class is
    measured; an optimizer whose twin cannot be built, or takes no step for a reason that is not known, is left out.
    """
    found = {}
    for name, optimizer in optimizers.items():
        kind = type(optimizer)
        row = effects_of(kind.__module__, kind.__qualname__, optimizer.defaults)
        if row is None or installed_version(kind, row.distribution) != row.version:
            row = _measured(optimizer) or row
        if row is not None:
            found[name] = row
    return found


def installed_version(kind: type, distribution: str) -> str:
    """Version of the distribution that has a class, without the mark of a local build; empty for none."""
    module = sys.modules.get(kind.__module__.partition(".")[0])
    version = getattr(module, "__version__", None)
    if version is None and distribution:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as version_of

        with suppress(PackageNotFoundError):
            version = version_of(distribution)
    return str(version or "").partition("+")[0]


def _measured(optimizer: torch.optim.Optimizer) -> OptimizerEffects | None:
    from lrdecay_cli.openmmlab.optimizer_effects.measure import measure

    kind, defaults = type(optimizer), optimizer.defaults
    lr = defaults.get("lr")
    try:
        taken = inspect.signature(kind).parameters
        options = {name: value for name, value in defaults.items() if name in taken and name != "lr"}

        def build(groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
            return kind(groups, **options, **({"lr": lr} if "lr" in taken else {}))

        # A training may be about to begin in this process, with random numbers of its own.
        with torch.random.fork_rng(devices=()):
            found = measure(
                kind,
                build,
                float(lr) if isinstance(lr, (int, float, torch.Tensor)) and lr > 0 else 1e-2,
                later=(10, 100),
                version=installed_version(kind, ""),
            )
    except Exception:
        return None
    return None if found.refusal("unknown") else found
