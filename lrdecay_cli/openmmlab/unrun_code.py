"""Find code of a config that runs only in training, not in an audit: hooks, loops, strategies and ``forward``.

The names that occur in the code of a class show what the class may change. If these names show nothing, and the class
is not from an OpenMMLab package, the effect of the class is unknown.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from types import CodeType
from typing import Literal

from mmengine.config import Config
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from msgspec import UNSET, UnsetType
from torch import nn

from lrdecay_cli.domain.dry_run import LeftOut
from lrdecay_cli.domain.training import UnrunCode
from lrdecay_cli.files.packages import ZOOS
from lrdecay_cli.openmmlab.building import training_scope
from lrdecay_cli.openmmlab.config_facts import loop_class
from lrdecay_cli.openmmlab.config_values import find_registered, type_name
from lrdecay_cli.openmmlab.schedulers.lr_hooks import LEFT_OUT, codes_of, freezes, hooks_of, names_of, reaches_lr

_PACKAGES = ("mmengine", *ZOOS)
# mmengine's own classes whose behaviour maps and schedules already include.
_ORDINARY = {*LEFT_OUT, "ParamSchedulerHook", "EarlyStoppingHook"}
_LOOPS = (EpochBasedTrainLoop, IterBasedTrainLoop)
# They replace the constructor's optimizer and parameters by their own.
_STRATEGIES = ("DeepSpeedStrategy", "ColossalAIStrategy")
_IN_TRAINING = ("train_step", "forward", "loss", "forward_train", "_run_forward", "predict")


def unrun_code(config: Config) -> tuple[UnrunCode, ...] | UnsetType:
    """Return the code that a config runs only in training: hooks, loop and strategy. UNSET if there is none."""
    found: list[UnrunCode] = []
    with training_scope(config), suppress(Exception):
        for option, hook in hooks_of(config):
            named = hook.get("type") if isinstance(hook, Mapping) else type(hook)
            if hook is None or named is None:
                continue
            # Training itself reports a hook that cannot be found.
            with suppress(Exception):
                kind = find_registered(HOOKS, named)
                found += _hook(kind, option) if isinstance(kind, type) else ()
        loop = config.get("train_cfg") or {}
        kind = loop_class(loop) if isinstance(loop, Mapping) and loop.get("type") else None
        if isinstance(kind, type) and has_own_run(kind):
            found.append(UnrunCode(kind.__name__, "train_cfg", _may(kind)))
    strategy = config.get("strategy")
    named = type_name(strategy.get("type", "")) if isinstance(strategy, Mapping) else ""
    if config.get("runner_type") == "FlexibleRunner" and named in _STRATEGIES:
        found.append(UnrunCode(named, "strategy", ("groups",)))
    return tuple(found) or UNSET


def has_own_run(loop: type) -> bool:
    """True if a training loop has its own ``run`` method, different from that of mmengine's two loops."""
    methods = ("run", "run_epoch", "run_iter")
    return not any(
        all(getattr(loop, method, None) is getattr(known, method, None) for method in methods) for known in _LOOPS
    )


def freezing_in_forward(model: nn.Module) -> Iterator[LeftOut]:
    """Yield classes of a model whose methods set ``requires_grad`` in each iteration.

    A dry run cannot run these methods, because they need data.
    """
    for kind in {type(module): None for module in model.modules()}:
        for method in _IN_TRAINING:
            if _sets_requires_grad(kind, method):
                reason = f"its {method}() sets requires_grad and needs data to run"
                yield LeftOut(kind.__name__, reason, failed=True)
                break


def _hook(kind: type, option: str) -> Iterator[UnrunCode]:
    package = kind.__module__.partition(".")[0]
    if package == "lrdecay_cli" or (package == "mmengine" and kind.__name__ in _ORDINARY):
        return
    may = _may(kind)
    if may or package not in _PACKAGES:
        yield UnrunCode(kind.__name__, option, may)


def _may(kind: type) -> tuple[Literal["lr", "freezing"], ...]:
    return (*(("lr",) if reaches_lr(kind) else ()), *(("freezing",) if freezes(kind) else ()))


def _sets_requires_grad(kind: type, begin: str) -> bool:
    """True if a method sets ``requires_grad``, or calls another method of the class that sets it.

    ``train()`` is not examined, because lrdecay calls ``train()``.
    """
    pending, seen = [begin], {"train", "__init__"}
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for base in kind.__mro__:
            if name in vars(base) and not base.__module__.startswith(("torch.", "mmengine.")):
                for code in codes_of(vars(base)[name]):
                    if _stores(code):
                        return True
                    pending += [other for other in names_of(code) if callable(getattr(kind, other, None))]
                break
    return False


def _stores(code: CodeType) -> bool:
    """True if code sets ``requires_grad`` of a module or of parameters.

    Two forms count: the code sets ``requires_grad`` of an attribute (``self.neck``), or in a loop over
    ``parameters()``. Code that only reads ``requires_grad``, such as gradient checkpointing, does not count. Code that
    sets ``requires_grad`` of another local variable does not count either, because such variables are feature maps.
    """
    instructions = list(dis.get_instructions(code))
    looped, of_parameters = set[str](), False
    for before, each in pairwise(instructions):
        of_parameters |= each.argval in ("parameters", "named_parameters")
        if before.opname in ("FOR_ITER", "UNPACK_SEQUENCE", "STORE_FAST") and each.opname.startswith("STORE_FAST"):
            # Python 3.13 has one instruction that stores one name and loads another.
            names = each.argval if isinstance(each.argval, tuple) else (each.argval,)
            looped.update(names if of_parameters else ())
        of_parameters &= each.opname not in ("POP_TOP", "JUMP_BACKWARD")
        sets = each.opname == "STORE_ATTR" and each.argval == "requires_grad"
        if sets or each.argval == "requires_grad_":
            loaded = before.argval if isinstance(before.argval, tuple) else (before.argval,)
            if before.opname == "LOAD_ATTR" or not looped.isdisjoint(loaded):
                return True
    return False
