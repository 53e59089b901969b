"""Measuring what an optimizer class does with the lr and weight decay of its groups: real steps of tiny tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import torch

from lrdecay_cli.domain.optimizer_effects import (
    AtZero,
    DecayUse,
    Demand,
    LrUse,
    NormUse,
    OptimizerEffects,
    Refusal,
)

Build = Callable[[list[dict[str, Any]], float], torch.optim.Optimizer]
"""Builds an optimizer from groups, which have their lr and weight decay, and from the lr that a config gives it."""

# About the standard deviation that weights are initialised with, and a usual weight decay.
_WEIGHT, _DECAY = 0.02, 0.05
_TENTH = 0.1
_EXACT = 0.01
"""How much a ratio of steps may differ from the ratio of the lrs."""
_CLOSE = 0.06
"""Likewise a pull from what it is taken for: ``eps`` and decay of the weight itself are in it."""
LATER = (10, 100, 100_000)
"""Steps, beside the first, in which the ratio of two groups is measured."""
_LONGEST = 1000
"""How many steps are taken; for a later one the optimizer is told that it is there, as by a resumed checkpoint."""


@dataclass(frozen=True)
class Setup:
    """What a probe gives an optimizer: one tensor a group."""

    lrs: tuple[float, ...]
    decays: tuple[float, ...] = (0.0, 0.0)
    weights: tuple[float, ...] = (_WEIGHT, _WEIGHT)
    gradient: float = 1.0
    """Of every element of every tensor."""
    shape: tuple[int, ...] = (16, 8)
    dtype: torch.dtype = torch.float64
    demands: tuple[Demand, ...] = ()
    """What it is given beyond what mmengine gives it."""

    def start(self, build: Build) -> tuple[torch.optim.Optimizer, list[torch.Tensor]]:
        """The optimizer, and the tensors of its groups."""
        count = 1 if "one group" in self.demands else len(self.lrs)
        tensors = [torch.nn.Parameter(torch.full(self.shape, each, dtype=self.dtype)) for each in self.weights[:count]]
        groups: list[dict[str, Any]] = [
            {"params": [tensor], "lr": lr, "weight_decay": decay}
            for tensor, lr, decay in zip(tensors, self.lrs, self.decays, strict=False)
        ]
        if "no further keys" not in self.demands:
            for index, group in enumerate(groups):
                # mmdet's layer decay constructor gives its groups these keys.
                group.update(param_names=[f"tensor_{index}"], group_name=str(index), lr_scale=1.0)
        optimizer = build(groups, max(self.lrs))
        if "train()" in self.demands:
            optimizer.train()
        return optimizer, tensors

    def step(self, optimizer: torch.optim.Optimizer, tensors: Sequence[torch.Tensor]) -> None:
        """Take a step."""
        for tensor in tensors:
            gradient = torch.full_like(tensor, self.gradient)
            tensor.grad = gradient.to_sparse() if "sparse gradients" in self.demands else gradient
        if "a closure" in self.demands:
            optimizer.step(lambda: float(sum((tensor * self.gradient).sum().item() for tensor in tensors)))
        else:
            optimizer.step()


class Probe:
    """An optimizer that takes steps under the demands that it has.

    Args:
        build: builds it.
        base: the setup that other probes vary; both groups have the same lr in it if it demands so.
    """

    def __init__(self, build: Build, base: Setup) -> None:
        self._build, self.base = build, base

    @property
    def lr(self) -> float:
        """Of the faster group."""
        return max(self.base.lrs)

    @property
    def has_lrs(self) -> bool:
        """Whether groups can have several lrs."""
        return not {"one group", "one lr"} & {*self.base.demands}

    @property
    def has_groups(self) -> bool:
        """Whether there can be several groups."""
        return "one group" not in self.base.demands

    def changes(self, steps: Iterable[int] = (1,), *, hold: bool = False, **varied: Any) -> dict[int, list[float]]:
        """Mean change of an element of each group, signed, by the number of the step, from 1.

        Args:
            steps: which to return.
            hold: put the weights back before every step.
            varied: fields of the setup.
        """
        setup = replace(self.base, **varied)
        optimizer, tensors = setup.start(self._build)
        found = {}
        for number in (*range(1, max(step for step in steps if step <= _LONGEST) + 1), *steps):
            if number in found or (number > _LONGEST and not _set_step(optimizer, number - 1)):
                continue
            if hold:
                for tensor, weight in zip(tensors, setup.weights, strict=False):
                    tensor.data.fill_(weight)
            before = [tensor.detach().clone() for tensor in tensors]
            setup.step(optimizer, tensors)
            if number in steps:
                pairs = zip(tensors, before, strict=True)
                found[number] = [float((tensor.detach() - was).double().mean()) for tensor, was in pairs]
        return found

    def first(self, **varied: Any) -> list[float]:
        """The changes of the first step."""
        return self.changes(**varied)[1]


def _set_step(optimizer: torch.optim.Optimizer, step: int) -> bool:
    """Make an optimizer count from ``step`` on, as one does whose state was restored; False if it keeps no count."""
    counts = [kept for kept in optimizer.state.values() if isinstance(kept, dict) and "step" in kept]
    for kept in counts:
        kept["step"] = torch.full_like(kept["step"], step) if isinstance(kept["step"], torch.Tensor) else step
    return bool(counts)


def measure(
    kind: type[torch.optim.Optimizer],
    build: Build,
    lr: float,
    *,
    shape: tuple[int, ...] = (16, 8),
    later: Sequence[int] = LATER,
    distribution: str = "",
    version: str = "",
    options: Mapping[str, Any] | None = None,
) -> OptimizerEffects:
    """What optimizers of ``kind`` do with their groups.

    Args:
        build: builds one.
        lr: of the faster group; the other has a tenth of it.
        shape: of the tensors.
        later: steps, beside the first, in which the ratio of the groups is measured.
        distribution: that has the class, ``version`` its version, and ``options`` those that were measured: recorded.
    """
    probe, refusals = _find_demands(build, lr, shape)
    identity: dict[str, Any] = {
        "module": kind.__module__,
        "name": kind.__qualname__,
        "distribution": distribution,
        "version": version,
        "options": options or {},
        "refusals": refusals,
    }
    if probe is None:
        return OptimizerEffects(
            lr="not measured", decay="not measured", at_zero="not measured", norm="not measured", **identity
        )
    norm = _norm(probe)
    use, ratios = _lr_use(probe, later, hold=norm != "no")
    return OptimizerEffects(
        lr=use,
        decay=_decay_use(probe),
        at_zero=_at_zero(probe),
        norm=norm,
        ratios=ratios,
        rewrites_lr=_rewrites_lr(probe),
        **identity,
    )


_DEMANDS: tuple[Demand, ...] = ("train()", "one lr", "no further keys", "a closure", "one group", "sparse gradients")
_OTHER_SHAPES = ((16,), (4, 4, 3, 3))


def _find_demands(build: Build, lr: float, shape: tuple[int, ...]) -> tuple[Probe | None, tuple[Refusal, ...]]:
    """A probe that takes steps, with the fewest demands that it has; and what the class raises without them."""
    whole = Setup((lr, _TENTH * lr), (_DECAY, _DECAY), shape=shape)
    for dtype, count in ((dtype, n) for n in range(4) for dtype in (torch.float64, torch.float32)):
        for demands in combinations(_DEMANDS, count):
            setup = _setup(replace(whole, dtype=dtype), demands)
            if _failure(build, setup) is None:
                refusals = [
                    Refusal(demand, *failure)
                    for demand in demands
                    if (failure := _failure(build, _setup(whole, [each for each in demands if each != demand])))
                ]
                for other in _OTHER_SHAPES:
                    if failure := _failure(build, replace(setup, shape=other)):
                        refusals.append(Refusal("2-D tensors", *failure))
                        break
                return Probe(build, replace(setup, decays=(0.0, 0.0))), tuple(refusals)
    return None, ()


def _setup(whole: Setup, demands: Iterable[Demand]) -> Setup:
    demands = tuple(demands)
    lrs = (max(whole.lrs),) * 2 if "one lr" in demands else whole.lrs
    return replace(whole, demands=demands, lrs=lrs)


def _failure(build: Build, setup: Setup) -> tuple[Any, str] | None:
    """When the optimizer raises, and what; None if it takes a step."""
    when = "construction"
    try:
        optimizer, tensors = setup.start(build)
        when = "first step"
        setup.step(optimizer, tensors)
        setup.step(optimizer, tensors)
    except Exception as error:
        text = " ".join(str(error).split())
        return when, f"{type(error).__name__}{': ' if text else ''}{text[:160]}"
    return None


def _norm(probe: Probe) -> NormUse:
    """By two tensors of one lr, one of ten times the weights."""
    uneven = {"lrs": (probe.lr,) * 2, "weights": (_WEIGHT, 10 * _WEIGHT)}

    def grows(decay: float) -> bool:
        if probe.has_groups:
            small, large = map(abs, probe.first(**uneven, decays=(decay,) * 2))
        else:
            small, large = (abs(probe.first(weights=(weight,), decays=(decay,))[0]) for weight in uneven["weights"])
        # Weight decay pulls the larger weight further: nine times lr × decay × weight at the most.
        return not math.isclose(large, small, rel_tol=0.5)

    if grows(0.0):
        return "always"
    return "with weight decay" if grows(_DECAY * 1e-3) else "no"


def _lr_use(probe: Probe, later: Sequence[int], *, hold: bool) -> tuple[LrUse, tuple[tuple[int, float], ...]]:
    if not probe.has_lrs:
        return "refused", ()
    lr = probe.lr
    steps = (1, *later)
    falling = probe.changes(steps, lrs=(lr, _TENTH * lr), hold=hold)
    ratios = {step: _ratio(slow, fast) for step, (fast, slow) in falling.items()}
    found = tuple((step, float(f"{ratio:.3g}")) for step, ratio in ratios.items() if ratio is not None)
    if not found:
        return "not measured", ()
    if all(math.isclose(ratio, _TENTH, rel_tol=_EXACT) for _, ratio in found):
        return "followed", found
    if all(math.isclose(ratio, 1.0, rel_tol=_EXACT) for _, ratio in found):
        slow, fast = probe.first(lrs=(_TENTH * lr, lr))
        if math.isclose(slow, fast, rel_tol=_EXACT):
            same = math.isclose(slow, falling[1][0], rel_tol=_EXACT)
            return ("ignored" if same else "first group's"), found
    return "distorted", found


def _ratio(over: float, under: float) -> float | None:
    return abs(over / under) if under and math.isfinite(over) and math.isfinite(under) else None


def _decay_use(probe: Probe) -> DecayUse:
    lr = probe.lr
    if probe.has_groups:
        pairs = [probe.first(gradient=0.0, lrs=(lr, lr), decays=decays) for decays in ((_DECAY, 0.0), (0.0, _DECAY))]
        if all(pairs[0]) and not any(pairs[1]):
            return "first group's"

    def pull(lr: float = lr, decay: float = _DECAY, weight: float = _WEIGHT, gradient: float = 0.0) -> float:
        given: dict[str, Any] = {"lrs": (lr, lr), "weights": (weight, weight), "gradient": gradient}
        return abs(probe.first(**given, decays=(decay, decay))[0] - probe.first(**given, decays=(0.0, 0.0))[0])

    # Some take no step without a gradient.
    gradient = 0.0 if pull() else 1.0
    whole = pull(gradient=gradient)
    if not whole:
        return "ignored"
    if probe.has_lrs:
        at_tenth = abs(
            probe.first(gradient=gradient, lrs=(lr, _TENTH * lr), decays=(_DECAY, _DECAY))[1]
            - probe.first(gradient=gradient, lrs=(lr, _TENTH * lr), decays=(0.0, 0.0))[1]
        )
    else:
        at_tenth = pull(lr=_TENTH * lr, gradient=gradient)
    by_decay = pull(decay=10 * _DECAY, gradient=gradient) / whole
    by_weight = pull(weight=10 * _WEIGHT, gradient=gradient) / whole
    by_lr = at_tenth / whole
    if gradient == 0.0:
        # Some adapt only after a few steps (RAdam), so that at first every pull looks like a gradient's.
        pulls = probe.changes((1, 10), hold=True, gradient=0.0, lrs=(lr, lr), decays=(_DECAY, _DECAY))
        gradients = probe.changes((1, 10), hold=True, gradient=_DECAY * _WEIGHT, lrs=(lr, lr))
        if all(_close(pulls[step][0], gradients[step][0]) for step in pulls):
            larger = probe.changes((10,), hold=True, gradient=10 * _DECAY * _WEIGHT, lrs=(lr, lr))[10][0]
            return "in the gradient" if _close(larger / gradients[10][0], 10) else "in the adaptive gradient"
    if by_decay < 2:
        return "in the adaptive gradient"
    return _named_pull(whole, lr, by_lr, by_decay, by_weight)


def _named_pull(whole: float, lr: float, by_lr: float, by_decay: float, by_weight: float) -> DecayUse:
    """What weight decay is multiplied by.

    Args:
        whole: how far it pulls.
        lr: of the group.
        by_lr: the pull at a tenth of the lr, over ``whole``; ``by_decay`` at ten times the weight decay, and
            ``by_weight`` at ten times the weight.
    """
    if not _close(by_decay, 10):
        return "in another way"
    if _close(by_weight, 100) and _close(by_lr, _TENTH):
        return "lr × RMS(weight) × weight decay"
    if not _close(by_weight, 10):
        return "in another way"
    if _close(by_lr, 1.0):
        return "weight decay alone"
    if _close(by_lr, _TENTH**2):
        return "lr² ÷ highest lr × weight decay"
    if _close(by_lr, _TENTH):
        if _close(whole, lr * _DECAY * _WEIGHT):
            return "lr × weight decay"
        if _close(whole, _DECAY * _WEIGHT):
            return "lr ÷ first lr × weight decay"
    return "in another way"


def _close(value: float, expected: float) -> bool:
    return math.isclose(value, expected, rel_tol=_CLOSE)


def _at_zero(probe: Probe) -> AtZero:
    """By a group at lr 0 beside one with an lr, over a few steps."""
    if not probe.has_groups:
        return "refused"
    lrs = (probe.lr, 0.0)
    if _failure(probe._build, replace(probe.base, lrs=lrs)) is not None:
        return "refused"

    def moves(decay: float) -> bool:
        return any(changes[1] for changes in probe.changes(range(1, 6), lrs=lrs, decays=(decay, decay)).values())

    if moves(0.0):
        return "trains"
    return "decays" if moves(_DECAY) else "stands still"


def _rewrites_lr(probe: Probe) -> bool:
    setup = probe.base
    optimizer, tensors = setup.start(probe._build)
    before = [float(group["lr"]) for group in optimizer.param_groups]
    for _ in range(3):
        setup.step(optimizer, tensors)
    return [float(group["lr"]) for group in optimizer.param_groups] != before
