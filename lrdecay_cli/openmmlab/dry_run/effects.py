"""What an optimizer makes of its groups: measured on copies of it, with equal weights and equal gradients."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist

from lrdecay_cli.domain.dry_run import TOLERANCE, Effect, Pull
from lrdecay_cli.openmmlab.config_values import number

# About the standard deviation that weights are initialised with: optimizers that scale a step by the norm of the
# weights (LAMB, LARS, Adafactor) show it, and the pull of a usual weight decay is small beside the step.
_WEIGHT = 0.02
_GRADIENT = 1.0


def shrink(optimizers: Iterable[torch.optim.Optimizer]) -> list[tuple[torch.nn.Parameter, torch.Tensor]]:
    """Give each parameter a small tensor of as many dimensions in the place of its own, which a step would fill.

    The first two dimensions keep their ratio, by which some optimizers (Muon) scale a step. What an optimizer keeps for
    a parameter from the start (Adagrad) becomes as small.

    Returns:
        Every parameter with a tensor of the shape that it had, in which all elements share the memory of one.
    """
    whole_ones = []
    for optimizer in optimizers:
        for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
            whole, small = parameter.shape, _small(parameter.shape)
            whole_ones.append((parameter, torch.full((), _WEIGHT, dtype=parameter.dtype).expand(whole)))
            parameter.data = torch.full(small, _WEIGHT, dtype=parameter.dtype)
            kept = optimizer.state.get(parameter, {})
            for name, value in kept.items():
                if isinstance(value, torch.Tensor) and value.shape == whole and value.numel():
                    kept[name] = torch.full(small, value.flatten()[0].item(), dtype=value.dtype)
    return whole_ones


def _small(shape: Sequence[int]) -> list[int]:
    if len(shape) < 2:
        # FSDP leaves some ranks an empty piece.
        return [max(1, min(size, 8)) for size in shape]
    divisor = max(1, min(shape[:2]) // 4)
    return [*(max(1, size // divisor) for size in shape[:2]), *(min(size, 3) for size in shape[2:])]


def measured(optimizer: torch.optim.Optimizer) -> list[Effect]:
    """What one step does to each group, in the optimizer's order.

    Args:
        optimizer: as it was built; it is left as it is. Its parameters have been shrunk.

    Raises:
        Exception: whatever the optimizer raises in a step.
    """
    try:
        # The step of LARS is smaller than float32 can tell beside the weight.
        return _measured(optimizer, torch.float64)
    except Exception:
        return _measured(optimizer, torch.float32)


def _measured(optimizer: torch.optim.Optimizer, dtype: torch.dtype) -> list[Effect]:
    groups = optimizer.param_groups
    decays = [number(group.get("weight_decay")) or 0.0 for group in groups]
    steps = _moved(optimizer, dtype, [_GRADIENT] * len(groups))
    pulls = _moved(optimizer, dtype, [0.0] * len(groups))
    # What a gradient as large as the weight decay's does, where there is no weight decay.
    as_gradients = [decay * _WEIGHT for decay in decays]
    coupled = _moved(optimizer, dtype, as_gradients, weight_decay=False) if any(decays) else pulls
    lrs = [number(group.get("lr")) for group in groups]
    base = max((i for i, step in enumerate(steps) if step), key=lambda i: lrs[i] or 0.0, default=None)
    found = []
    for step, pull, as_gradient, lr, decay in zip(steps, pulls, coupled, lrs, decays, strict=True):
        if step is None or pull is None or as_gradient is None or base is None:
            found.append(Effect(None, None, "not measured"))
            continue
        base_lr, base_step = lrs[base], steps[base]
        expected = lr / base_lr if lr is not None and base_lr else None
        found.append(Effect(step / base_step if base_step else None, expected, _pull(pull, as_gradient, lr, decay)))
    return found


def _moved(
    optimizer: torch.optim.Optimizer, dtype: torch.dtype, gradients: Sequence[float], *, weight_decay: bool = True
) -> list[float | None]:
    """Mean absolute change of an element of each group in a first step; None for a group without trainable tensors.

    Args:
        optimizer: a copy of it takes the step.
        dtype: of weights, gradients and whatever is kept for them.
        gradients: of each element, by group.
        weight_decay: whether the groups keep theirs.
    """
    # deepcopy of an optimizer keeps its groups and state alone, and loses what a class keeps elsewhere: eps of LARS.
    twin = object.__new__(type(optimizer))
    # A process group (ZeroRedundancyOptimizer) is shared.
    groups = {id(value): value for value in vars(optimizer).values() if isinstance(value, dist.ProcessGroup)}
    vars(twin).update(copy.deepcopy(vars(optimizer), groups))
    for group, gradient in zip(twin.param_groups, gradients, strict=True):
        if not weight_decay and "weight_decay" in group:
            group["weight_decay"] = 0.0
        for parameter in _trainable(group):
            parameter.data = torch.full_like(parameter, _WEIGHT, dtype=dtype)
            parameter.grad = torch.full_like(parameter, gradient)
            kept = twin.state.get(parameter, {})
            kept.update((name, each.to(dtype)) for name, each in kept.items() if _is_floating(each))
    before = [[parameter.detach().clone() for parameter in _trainable(group)] for group in twin.param_groups]
    twin.step()
    moved: list[float | None] = []
    for group, old in zip(twin.param_groups, before, strict=True):
        changes = [(p.detach() - was).abs() for p, was in zip(_trainable(group), old, strict=True)]
        count = sum(change.numel() for change in changes)
        moved.append(sum(float(change.double().sum()) for change in changes) / count if count else None)
    return moved


def _is_floating(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _trainable(group: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    return (parameter for parameter in group["params"] if parameter.requires_grad)


def _pull(pull: float, as_gradient: float, lr: float | None, decay: float) -> Pull:
    """What weight decay is multiplied by where it moves a weight that has no gradient.

    Args:
        pull: how far it moves.
        as_gradient: how far a gradient of weight decay times weight moves it.
        lr: of the group.
        decay: its weight decay.
    """
    if not decay:
        return "no weight decay" if not pull else "pulls all the same"
    if not pull:
        return "ignored"
    if _alike(pull, as_gradient):
        return "in the gradient"
    if _alike(pull, (lr or 0.0) * decay * _WEIGHT):
        return "lr × weight decay"
    return "weight decay alone" if _alike(pull, decay * _WEIGHT) else "in another way"


def _alike(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=5 * TOLERANCE)
