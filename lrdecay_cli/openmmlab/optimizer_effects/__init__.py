"""Find how optimizers use the lr and weight decay of their groups: from lrdecay's table or by measurement."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.optimizers import effects_of


def effects_in(
    optimizers: Mapping[str, torch.optim.Optimizer],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    measure: bool = True,
) -> dict[str, OptimizerEffects]:
    """Return how each optimizer uses the lr and weight decay of its groups, by optimizer name.

    These effects come from lrdecay's table if the table contains the installed version of the class. Otherwise, lrdecay
    measures them on a second instance of the class. lrdecay also measures if a step is not proportional to the lr, or
    if the lr is a half-precision tensor. An optimizer is omitted if no second instance can be built. It is also omitted
    if the second instance takes no step and the reason is unknown.

    Args:
        optimizers: the built optimizers, by name.
        settings: options of each optimizer in the config, as its class accepts them.
        measure: False to use only the table, which may lack an optimizer.
    """
    found = {}
    for name, optimizer in optimizers.items():
        kind = type(optimizer)
        # A class may not store all of its options as defaults of the groups.
        options = {**optimizer.defaults, **settings.get(name, {})}
        row = effects_of(kind.__module__, kind.__qualname__, options)
        half = _half_precision_of(optimizer)
        if row is None or row.lr == "distorted" or half or installed_version(kind, row.distribution) != row.version:
            row = (_measured(optimizer, options, row, half) if measure else None) or row
        if row is not None:
            found[name] = row
    return found


def installed_version(kind: type, distribution: str) -> str:
    """Return the version of the package that contains a class: ``2.1.0`` for ``2.1.0+cu118``. Empty if unknown."""
    module = sys.modules.get(kind.__module__.partition(".")[0])
    version = getattr(module, "__version__", None)
    if version is None and distribution:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as version_of

        with suppress(PackageNotFoundError):
            version = version_of(distribution)
    return str(version or "").partition("+")[0]


def _half_precision_of(optimizer: torch.optim.Optimizer) -> torch.dtype | None:
    """Return the dtype of the first lr that is a half-precision tensor; None if there is no such lr.

    The dtype matters because ``1 - lr * weight_decay`` may round to 1 in half precision.
    """
    lrs = [lr for group in optimizer.param_groups if isinstance(lr := group.get("lr"), torch.Tensor)]
    return next((lr.dtype for lr in lrs if lr.dtype in (torch.float16, torch.bfloat16)), None)


def _measured(
    optimizer: torch.optim.Optimizer,
    options: Mapping[str, Any],
    row: OptimizerEffects | None,
    half: torch.dtype | None,
) -> OptimizerEffects | None:
    from lrdecay_cli.openmmlab.optimizer_effects.measure import measure
    from lrdecay_cli.openmmlab.optimizer_effects.probe import undisturbed

    kind, lr = type(optimizer), options.get("lr")
    try:
        taken = inspect.signature(kind).parameters
        given = {name: value for name, value in options.items() if name in taken and name != "lr"}

        def build(groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
            built = kind(groups, **given, **({"lr": lr} if "lr" in taken else {}))
            for group in built.param_groups if half else ():
                group["lr"] = torch.as_tensor(group["lr"], dtype=half)
            return built

        # A training with its own random numbers and threads may start in this process.
        with undisturbed():
            found = measure(
                kind,
                build,
                float(lr) if isinstance(lr, (int, float, torch.Tensor)) and lr > 0 else 1e-2,
                distribution=row.distribution if row else "",
                version=installed_version(kind, row.distribution if row else ""),
                options=row.options if row else {},
            )
    except Exception:
        return None
    return None if found.refusal("unknown") else found
