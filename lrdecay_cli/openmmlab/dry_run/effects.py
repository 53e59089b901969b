"""Measure the effect of each optimizer on its groups.

A copy of the optimizer takes the measured steps. In each group, all weights are equal, and all gradients are equal.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist

from lrdecay_cli.domain.dry_run import Effect
from lrdecay_cli.domain.optimizer_effects import DecayUse
from lrdecay_cli.openmmlab.config_values import number
from lrdecay_cli.openmmlab.optimizer_effects.probe import WEIGHT, close, coupling, undisturbed

_LATER = 10
"""Number of the later step to measure. In this step, optimizers such as RAdam already adapt their step size."""


def shrink(optimizers: Iterable[torch.optim.Optimizer]) -> list[tuple[torch.nn.Parameter, torch.Tensor]]:
    """Replace the tensor of each parameter by a small tensor, so that steps need little memory.

    The number of dimensions stays the same. The first two dimensions keep their ratio, because some optimizers (Muon)
    scale a step by this ratio. Optimizer state that exists before the first step (Adagrad) shrinks too.

    Returns:
        Pairs of a parameter and a tensor of its original shape. All elements of this tensor share the memory of one
            element.
    """
    wholes = []
    for optimizer in optimizers:
        for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
            whole, small = parameter.shape, _small(parameter.shape)
            wholes.append((parameter, torch.full((), WEIGHT, dtype=parameter.dtype).expand(whole)))
            parameter.data = torch.full(small, WEIGHT, dtype=parameter.dtype)
            kept = optimizer.state.get(parameter, {})
            for name, value in kept.items():
                if isinstance(value, torch.Tensor) and value.shape == whole and value.numel():
                    kept[name] = torch.full(small, value.flatten()[0].item(), dtype=value.dtype)
    return wholes


def _small(shape: Sequence[int]) -> list[int]:
    if len(shape) < 2:
        # With FSDP some ranks have an empty piece.
        return [max(1, min(size, 8)) for size in shape]
    divisor = max(1, min(shape[:2]) // 4)
    return [*(max(1, size // divisor) for size in shape[:2]), *(min(size, 3) for size in shape[2:])]


def measured(optimizer: torch.optim.Optimizer) -> list[Effect]:
    """Return the effect of an optimizer on each of its groups, in the order of the groups.

    Args:
        optimizer: a built optimizer with shrunk parameters. It is not changed.

    Raises:
        Exception: the optimizer raises in a step.
    """
    with undisturbed():
        try:
            # The step of LARS is too small relative to the weight for float32.
            return _measured(optimizer, torch.float64)
        except Exception:
            return _measured(optimizer, torch.float32)


def _measured(optimizer: torch.optim.Optimizer, dtype: torch.dtype) -> list[Effect]:
    groups = optimizer.param_groups
    steps = _moved(optimizer, dtype, [1.0] * len(groups))
    decays = _decay_uses(optimizer, dtype)
    lrs = [number(group.get("lr")) for group in groups]
    base = max((i for i, step in enumerate(steps) if step), key=lambda i: lrs[i] or 0.0, default=None)
    found = []
    for step, decay, lr in zip(steps, decays, lrs, strict=True):
        if step is None or base is None:
            found.append(Effect(None, None, "not measured"))
            continue
        base_lr, base_step = lrs[base], steps[base]
        expected = lr / base_lr if lr is not None and base_lr else None
        found.append(Effect(step / base_step if base_step else None, expected, decay))
    return found


def _decay_uses(optimizer: torch.optim.Optimizer, dtype: torch.dtype) -> list[DecayUse | None]:
    """Return for each group how the optimizer applies weight decay.

    To find out, lrdecay measures steps in which the gradient is zero, so that only weight decay changes the weights.
    """
    groups = optimizer.param_groups
    decays = [number(group.get("weight_decay")) or 0.0 for group in groups]
    still = [0.0] * len(groups)
    pulls = _moved(optimizer, dtype, still)
    found = [_outside_gradient(pull, group, decay) for pull, group, decay in zip(pulls, groups, decays, strict=True)]
    # Measure the effect of a gradient as large as that of the weight decay, without weight decay.
    gradients = [decay * WEIGHT for decay in decays]
    if not any(decays) or not _any_alike(pulls, _moved(optimizer, dtype, gradients, weight_decay=False)):
        return found
    pulls = _moved(optimizer, dtype, still, step=_LATER)
    coupled = _moved(optimizer, dtype, gradients, step=_LATER, weight_decay=False)
    if not _any_alike(pulls, coupled):
        return found
    larger = _moved(optimizer, dtype, [10 * each for each in gradients], step=_LATER, weight_decay=False)
    return [
        coupling(more, alone) if pull and alone and more and close(pull, alone) else use
        for use, pull, alone, more in zip(found, pulls, coupled, larger, strict=True)
    ]


def _any_alike(pulls: Iterable[float | None], coupled: Iterable[float | None]) -> bool:
    return any(pull and alone and close(pull, alone) for pull, alone in zip(pulls, coupled, strict=True))


def _outside_gradient(pull: float | None, group: Mapping[str, Any], decay: float) -> DecayUse | None:
    """Return how weight decay shrinks a weight, for example ``lr × weight decay``.

    This applies to an optimizer that does not add weight decay to the gradient.

    Args:
        pull: change of a weight caused by weight decay alone; None if not measured.
        group: the group of the weight.
        decay: the group's weight decay.
    """
    if pull is None:
        return "not measured"
    lr = number(group.get("lr")) or 0.0
    if not pull:
        # At lr 0, weight decay has no effect in most optimizers.
        return None if not decay else "ignored" if lr else "not measured"
    if decay and close(pull, lr * decay * WEIGHT):
        return "lr × weight decay"
    return "weight decay alone" if decay and close(pull, decay * WEIGHT) else "in another way"


def _moved(
    optimizer: torch.optim.Optimizer,
    dtype: torch.dtype,
    gradients: Sequence[float],
    *,
    step: int = 1,
    weight_decay: bool = True,
) -> list[float | None]:
    """Return the mean absolute change of the elements of each group in one step.

    None for a group without trainable tensors.

    Args:
        optimizer: the optimizer. A copy of it takes the step.
        dtype: dtype of weights, gradients and state.
        gradients: for each group, the gradient of every element in every step.
        step: number of the measured step, from 1. The weights are reset before each step.
        weight_decay: False sets the weight decay of all groups to 0.
    """
    # deepcopy of an optimizer copies only groups and state, not other attributes of a class, such as eps of LARS.
    twin = object.__new__(type(optimizer))
    # The copies share a process group (ZeroRedundancyOptimizer).
    groups = {id(value): value for value in vars(optimizer).values() if isinstance(value, dist.ProcessGroup)}
    vars(twin).update(copy.deepcopy(vars(optimizer), groups))
    for group, gradient in zip(twin.param_groups, gradients, strict=True):
        if not weight_decay and "weight_decay" in group:
            group["weight_decay"] = 0.0
        for parameter in _trainable(group):
            parameter.data = torch.full_like(parameter, WEIGHT, dtype=dtype)
            parameter.grad = torch.full_like(parameter, gradient)
            kept = twin.state.get(parameter, {})
            kept.update((name, each.to(dtype)) for name, each in kept.items() if _is_floating(each))
    for _ in range(step):
        for parameter in (parameter for group in twin.param_groups for parameter in _trainable(group)):
            parameter.data.fill_(WEIGHT)
        twin.step()
    moved: list[float | None] = []
    for group in twin.param_groups:
        changes = [(parameter.detach() - WEIGHT).abs() for parameter in _trainable(group)]
        count = sum(change.numel() for change in changes)
        moved.append(sum(float(change.double().sum()) for change in changes) / count if count else None)
    return moved


def _is_floating(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _trainable(group: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    return (parameter for parameter in group["params"] if parameter.requires_grad)
