"""Measure how an optimizer class uses the lr and weight decay of its groups, in real steps with tiny tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
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
from lrdecay_cli.openmmlab.optimizer_effects.probe import STILL, WEIGHT, Build, Probe, Setup, close, coupling

_DECAY = 0.05
_TENTH = 0.1
_EXACT = 0.01
"""Relative tolerance for comparing two measured weight changes, or a ratio of weight changes with a number."""
_STEPS = (1, 10, 100, 100_000)
"""Numbers of the steps in which the weight changes of two groups are compared."""


def measure(
    kind: type[torch.optim.Optimizer],
    build: Build,
    lr: float,
    *,
    shape: tuple[int, ...] = (16, 8),
    distribution: str = "",
    version: str = "",
    options: Mapping[str, Any] | None = None,
) -> OptimizerEffects:
    """Measure how an optimizer class uses the lr and weight decay of its groups.

    Args:
        kind: the optimizer class.
        build: function that builds an optimizer.
        lr: lr of the first group. The second group has a tenth of it.
        shape: shape of the tensors.
        distribution: name of the installed package that provides the class.
        version: version of this package.
        options: options of the optimizer, recorded with the result.
    """
    identity: dict[str, Any] = {
        "module": kind.__module__,
        "name": kind.__qualname__,
        "distribution": distribution,
        "version": version,
        "options": options or {},
    }
    probe, refusals = _find_demands(build, lr, shape)
    if probe is None:
        return OptimizerEffects(
            lr="not measured",
            decay="not measured",
            at_zero="not measured",
            norm="not measured",
            refusals=refusals,
            **identity,
        )
    norm = _tried(lambda: _norm(probe))
    use, ratios = _lr_use(probe, hold=norm != "no")
    return OptimizerEffects(
        lr=use,
        decay=_tried(lambda: _decay_use(probe)),
        at_zero=_tried(lambda: _at_zero(probe)),
        norm=norm,
        ratios=ratios,
        refusals=refusals,
        halved=_tried_number(lambda: _halved(probe)),
        rewrites_lr=_rewrites_lr(probe),
        **identity,
    )


def _tried(probing: Callable[[], Any]) -> Any:
    """Return the result of a measurement; "not measured" if the optimizer raises an error.

    For example, some optimizers raise if the lr or weight decay is 0.
    """
    with suppress(Exception):
        return probing()
    return "not measured"


def _tried_number(probing: Callable[[], float | None]) -> float | None:
    with suppress(Exception):
        return probing()
    return None


_DEMANDS: tuple[Demand, ...] = ("train()", "one lr", "no further keys", "a closure", "one group", "sparse gradients")
_OTHER_SHAPES = ((16,), (4, 4, 3, 3))


def _find_demands(build: Build, lr: float, shape: tuple[int, ...]) -> tuple[Probe | None, tuple[Refusal, ...]]:
    """Return a :class:`Probe` with which the optimizer takes steps, and an error for each demand of the optimizer.

    An optimizer may have demands that mmengine does not meet. For example, some optimizers need a closure. The probe
    meets the smallest set of demands with which the optimizer takes steps. For each of these demands, the result
    contains the error that occurs if only this demand is not met. The probe is None if the optimizer never takes a
    step.
    """
    whole = Setup((lr, _TENTH * lr), (_DECAY, _DECAY), shape=shape)
    for dtype, count in ((dtype, n) for n in range(4) for dtype in (torch.float64, torch.float32)):
        for demands in combinations(_DEMANDS, count):
            typed = replace(whole, dtype=dtype)
            setup = _setup(typed, demands)
            if _failure(build, setup) is None:
                refusals = [
                    Refusal(demand, *failure)
                    for demand in demands
                    if (failure := _failure(build, _setup(typed, [each for each in demands if each != demand])))
                ]
                for other in _OTHER_SHAPES:
                    if failure := _failure(build, replace(setup, shape=other)):
                        refusals.append(Refusal("2-D tensors", *failure))
                        break
                return Probe(build, replace(setup, decays=(0.0, 0.0))), tuple(refusals)
    failure = _failure(build, replace(whole, dtype=torch.float32))
    return None, (Refusal("unknown", *failure),) if failure else ()


def _setup(whole: Setup, demands: Iterable[Demand]) -> Setup:
    demands = tuple(demands)
    lrs = (max(whole.lrs),) * 2 if "one lr" in demands else whole.lrs
    return replace(whole, demands=demands, lrs=lrs)


def _failure(build: Build, setup: Setup) -> tuple[Any, str] | None:
    """Return where the optimizer fails (``construction``, ``first step``) and the error; None if two steps succeed."""
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
    """Return whether the step of a tensor depends on the size of its weights.

    Two tensors with the same lr are compared; the weights of the second are ten times as large.
    """
    uneven = {"lrs": (probe.lr,) * 2, "weights": (WEIGHT, 10 * WEIGHT)}

    def grows(decay: float) -> bool:
        if probe.has_groups:
            small, large = map(abs, probe.first(**uneven, decays=(decay,) * 2))
        else:
            small, large = (abs(probe.first(weights=(weight,), decays=(decay,))[0]) for weight in uneven["weights"])
        # Weight decay pulls the larger weight further: at most nine times lr × decay × weight.
        return not math.isclose(large, small, rel_tol=0.5)

    if grows(0.0):
        return "always"
    return "with weight decay" if grows(_DECAY * 1e-3) else "no"


def _lr_use(probe: Probe, *, hold: bool) -> tuple[LrUse, tuple[tuple[int, float], ...]]:
    if not probe.has_lrs:
        return "refused", ()
    lr = probe.lr
    falling = probe.changes(_STEPS, lrs=(lr, _TENTH * lr), hold=hold)
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

    def pulls(
        lrs: tuple[float, float] = (lr, lr),
        decays: tuple[float, float] = (_DECAY, _DECAY),
        weight: float = WEIGHT,
        gradient: float = 0.0,
    ) -> list[float]:
        given: dict[str, Any] = {"lrs": lrs, "weights": (weight, weight), "gradient": gradient}
        without = probe.first(**given, decays=(0.0, 0.0))
        return [abs(change - was) for change, was in zip(probe.first(**given, decays=decays), without, strict=True)]

    def pull(lr: float = lr, decay: float = _DECAY, **given: Any) -> float:
        return pulls((lr, lr), (decay, decay), **given)[0]

    # Some optimizers take no step without a gradient.
    gradient = 0.0 if (_tried_number(pull) or 0.0) > STILL else 1.0
    if probe.has_groups:
        of_first, of_second = (pulls(decays=given, gradient=gradient) for given in ((_DECAY, 0.0), (0.0, _DECAY)))
        if min(of_first) > STILL and max(of_second) <= STILL:
            return "first group's"
    whole = pull(gradient=gradient)
    if whole <= STILL:
        return "ignored"
    tenth = (lr, _TENTH * lr) if probe.has_lrs else (_TENTH * lr,) * 2
    by_lr = pulls(tenth, gradient=gradient)[-1] / whole
    by_decay = pull(decay=10 * _DECAY, gradient=gradient) / whole
    by_weight = pull(weight=10 * WEIGHT, gradient=gradient) / whole
    if gradient == 0.0:
        # Some optimizers (RAdam) adapt only after a few steps. Before, weight decay and a gradient have equal effects.
        decayed = probe.changes((1, 10), hold=True, gradient=0.0, lrs=(lr, lr), decays=(_DECAY, _DECAY))
        gradients = probe.changes((1, 10), hold=True, gradient=_DECAY * WEIGHT, lrs=(lr, lr))
        if all(close(decayed[step][0], gradients[step][0]) for step in decayed):
            larger = probe.changes((10,), hold=True, gradient=10 * _DECAY * WEIGHT, lrs=(lr, lr))[10][0]
            return coupling(larger, gradients[10][0])
    if by_decay < 2:
        return "in the adaptive gradient"
    return _named_pull(whole, lr, by_lr, by_decay, by_weight)


def _named_pull(whole: float, lr: float, by_lr: float, by_decay: float, by_weight: float) -> DecayUse:
    """Return the formula of weight decay that explains the measured changes of a weight.

    Args:
        whole: change of a weight caused by weight decay.
        lr: lr of the group.
        by_lr: the change with a tenth of the lr, divided by ``whole``.
        by_decay: the change with ten times the weight decay, divided by ``whole``.
        by_weight: the change of a weight that is ten times as large, divided by ``whole``.
    """
    if not close(by_decay, 10):
        return "in another way"
    if close(by_weight, 100) and close(by_lr, _TENTH):
        return "lr × RMS(weight) × weight decay"
    if not close(by_weight, 10):
        return "in another way"
    if close(by_lr, 1.0):
        return "weight decay alone"
    if close(by_lr, _TENTH**2):
        return "lr² ÷ highest lr × weight decay"
    if close(by_lr, _TENTH):
        if close(whole, lr * _DECAY * WEIGHT):
            return "lr × weight decay"
        if close(whole, _DECAY * WEIGHT):
            return "lr ÷ first lr × weight decay"
        return "lr × a factor × weight decay"
    return "in another way"


def _at_zero(probe: Probe) -> AtZero:
    """Return what happens in the first steps to the weights of a group with lr 0.

    ``trains``: the weights change. ``decays``: only weight decay changes them. ``stands still``: nothing changes them.
    The optimizer also has a group with a positive lr.
    """
    if not probe.has_groups:
        return "refused"
    lrs = (probe.lr, 0.0)
    if _failure(probe.build, replace(probe.base, lrs=lrs)) is not None:
        return "refused"

    def moves(decay: float) -> bool:
        taken = probe.changes(range(1, 12), lrs=lrs, decays=(decay, decay)).values()
        return sum(abs(slow) for _, slow in taken) > max(STILL, 1e-6 * sum(abs(fast) for fast, _ in taken))

    if moves(0.0):
        return "trains"
    return "decays" if moves(_DECAY) else "stands still"


def _halved(probe: Probe) -> float | None:
    """Return the change of a weight after a scheduler has halved every lr, divided by the change without halving.

    Both changes are measured in the second step after halving. If their ratio is not 0.5, they are also measured in the
    hundredth step: in some optimizers, such as LARS, the momentum includes the lr, so the old lr affects the first
    steps after halving, but no longer the hundredth. If the ratio in the hundredth step is 0.5, the result is 0.5.
    Otherwise the result is the ratio in the second step.
    """
    found = _change_halved(probe, _HALVED + 2)
    if found is None or math.isclose(found, 0.5, rel_tol=_EXACT):
        return found
    late = _change_halved(probe, _HALVED + 100, hold=True)
    return 0.5 if late is not None and math.isclose(late, 0.5, rel_tol=_EXACT) else found


_HALVED = 11
"""Number of steps before the lr is halved."""


def _change_halved(probe: Probe, steps: int, *, hold: bool = False) -> float | None:
    """Return the ratio of two changes of a weight in step number ``steps``.

    The first change comes from an optimizer with an lr that is halved after ``_HALVED`` steps. The second change
    comes from an optimizer with a constant lr. ``hold``: reset the weights before each step.
    """
    changes = []
    for factor in (1.0, 0.5):
        optimizer, tensors = probe.base.start(probe.build)
        for number in range(steps):
            if number == _HALVED:
                for group in optimizer.param_groups:
                    group["lr"] *= factor
            if hold:
                for tensor, weight in zip(tensors, probe.base.weights, strict=False):
                    tensor.data.fill_(weight)
            before = tensors[0].detach().clone()
            probe.base.step(optimizer, tensors)
        changes.append(float((tensors[0].detach() - before).double().mean()))
    found = _ratio(changes[1], changes[0])
    return None if found is None else float(f"{found:.3g}")


def _rewrites_lr(probe: Probe) -> bool:
    setup = probe.base
    optimizer, tensors = setup.start(probe.build)
    before = [float(group["lr"]) for group in optimizer.param_groups]
    for _ in range(3):
        setup.step(optimizer, tensors)
    return [float(group["lr"]) for group in optimizer.param_groups] != before
