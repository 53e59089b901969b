"""Find the hooks of a config that may set an lr. Most hooks are not built: lrdecay reads the names in their code."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import CodeType, SimpleNamespace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from msgspec import UNSET, UnsetType

from lrdecay_cli.domain.training import PositionedLr
from lrdecay_cli.openmmlab.building import training_scope
from lrdecay_cli.openmmlab.config_values import find_registered, number, type_name

LEFT_OUT = {
    "CheckpointHook": "the hook writes checkpoints",
    "LoggerHook": "the hook writes logs",
    "RuntimeInfoHook": "the hook prepares values for the log",
    "ProfilerHook": "the hook measures time and memory",
    "IterTimerHook": "the hook measures the time of iterations",
}
"""mmengine's hooks that only log, save or measure. The value is the reason why a dry run omits the hook."""

# Packages with hooks that never pass the runner to a function outside the class that sets an lr.
_KNOWN = ("mmengine", "mmdet", "mmpretrain", "lrdecay_cli")
# Names that code needs to reach an lr.
_REACHES = {"optim_wrapper", "optimizer", "param_groups", "param_schedulers"}
# With two groups that differ it is unclear which one is the exception.
_FEWEST = 3
_ITERATIONS = 1000
_FREEZES = {"requires_grad", "requires_grad_"}


def lr_hooks(config: Config) -> list[str]:
    """Return the names of hooks that may change lrs without mmengine's schedulers.

    Exactly one ``ParamSchedulerHook`` should step the schedulers. If the config has schedulers and another number of
    these hooks, the result also contains ``ParamSchedulerHook``. Source: mmengine 0.10.7,
    ``Runner.register_default_hooks``.
    """
    default = {"param_scheduler": {"type": "ParamSchedulerHook"}, **(config.get("default_hooks") or {})}
    found, steppers = [], 0
    with training_scope(config):
        for hook in (*default.values(), *(config.get("custom_hooks") or ())):
            named = hook.get("type") if isinstance(hook, Mapping) else type(hook)
            if hook is None or named is None:
                continue
            kind = find_registered(HOOKS, named)
            if kind is ParamSchedulerHook:
                steppers += 1
            elif not isinstance(kind, type) or not _is_harmless(kind):
                found.append(type_name(named))
    if config.get("param_scheduler") and steppers != 1:
        found.append("ParamSchedulerHook")
    return found


def positioned_lrs(config: Config, groups: int) -> tuple[PositionedLr, ...] | UnsetType:
    """Return the lrs that hooks set for the group at a fixed index. UNSET if no hook does this.

    lrdecay runs the first iteration of each hook with ``param_groups`` in its code, on ``groups`` identical groups. If
    the lrs differ afterwards, the hook sets lrs by index. For example, mmyolo's ``YOLOv5ParamSchedulerHook`` sets the
    lr of the third group, because the hook expects the biases there (mmyolo 0.6.0,
    ``engine/hooks/yolov5_param_scheduler_hook.py``).
    """
    if groups < _FEWEST:
        return UNSET
    found: list[PositionedLr] = []
    for option, hook in hooks_of(config):
        named = hook.get("type") if isinstance(hook, Mapping) else type(hook)
        if hook is None or named in (None, "ParamSchedulerHook"):
            continue
        with training_scope(config), suppress(Exception):
            kind = find_registered(HOOKS, named)
            own = [base for base in kind.__mro__ if not base.__module__.startswith("mmengine.")]
            if any("param_groups" in names_of(code) for base in own for code in _codes(base)):
                first, second = (_first_lrs(hook, groups, lr) for lr in (1.0, 2.0))
                usual, _ = Counter(first).most_common(1)[0]
                for position, (lr, other) in enumerate(zip(first, second, strict=True)):
                    if lr not in (usual, None) and lr == other:
                        argument = _argument_with(kind, hook, lr)
                        found.append(PositionedLr(kind.__name__, option, position, lr, argument))
    return tuple(found) or UNSET


def hooks_of(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield the path and the settings of every hook in a config. For example, the path is ``default_hooks.logger``."""
    for name, hook in (config.get("default_hooks") or {}).items():
        yield f"default_hooks.{name}", hook
    for index, hook in enumerate(config.get("custom_hooks") or ()):
        yield f"custom_hooks[{index}]", hook


def _first_lrs(hook: Any, groups: int, lr: float) -> list[float | None]:
    """Run the first iteration of a hook on groups that all have ``lr``. Return the lrs of the groups afterwards."""
    settings = copy.deepcopy(hook)
    if isinstance(settings, Mapping):
        settings = HOOKS.build({key: value for key, value in settings.items() if key != "priority"})
    tensors = [torch.nn.Parameter(torch.zeros(())) for _ in range(groups)]
    optimizer = torch.optim.SGD([{"params": [tensor]} for tensor in tensors], lr=lr, momentum=0.9)
    runner: Any = SimpleNamespace(
        optim_wrapper=OptimWrapper(optimizer), iter=0, epoch=0, train_dataloader=range(_ITERATIONS)
    )
    settings.before_train(runner)
    settings.before_train_epoch(runner)
    settings.before_train_iter(runner, 0)
    return [number(group["lr"]) for group in optimizer.param_groups]


def _argument_with(kind: Any, hook: Any, lr: float) -> str:
    """Return the name of the argument of a hook's class that has the value ``lr``.

    Empty if no argument or several arguments have this value.
    """
    given = hook if isinstance(hook, Mapping) else {}
    arguments = inspect.signature(kind).parameters.items()
    fitting = [name for name, argument in arguments if given.get(name, argument.default) == lr]
    return fitting[0] if len(fitting) == 1 else ""


def is_inert(kind: type) -> bool:
    """True if the names in the code of a hook show that the hook changes no lr and no ``requires_grad``.

    Always False for hooks from other packages than those in ``_KNOWN``.
    """
    return _never_names(kind, _REACHES | _FREEZES)


def _is_harmless(kind: type) -> bool:
    """True if a hook is mmengine's hook in ``LEFT_OUT``, or if the names in its code show that it sets no lr."""
    left_out = kind.__name__ in LEFT_OUT and kind.__module__.startswith("mmengine.")
    return _never_names(kind, set() if left_out else _REACHES)


def _never_names(kind: type, words: set[str]) -> bool:
    """True if a class and its base classes are in packages of ``_KNOWN`` and their code contains none of ``words``."""
    known = all(base.__module__.partition(".")[0] in _KNOWN for base in _own_bases(kind))
    return known and not _names_any(kind, words)


def reaches_lr(kind: type) -> bool:
    """True if the code of a hook or of its base classes contains a name that may give access to an lr."""
    return _names_any(kind, _REACHES)


def freezes(kind: type) -> bool:
    """True if ``requires_grad`` occurs in the code of a hook or of its base classes."""
    return _names_any(kind, _FREEZES)


def _names_any(kind: type, words: set[str]) -> bool:
    return any(names_of(code) & words for base in _own_bases(kind) for code in _codes(base))


def _own_bases(kind: type) -> list[type]:
    """Return a hook's class and its base classes, without mmengine's ``Hook`` and Python's ``object``."""
    return [base for base in kind.__mro__ if base not in (Hook, object)]


def _codes(kind: type) -> Iterator[CodeType]:
    for member in vars(kind).values():
        yield from codes_of(member)


def codes_of(member: Any) -> Iterator[CodeType]:
    """Yield the code object of ``member`` if it is a method. Yields nothing for other members of a class."""
    function = getattr(member, "__func__", member)
    function = getattr(function, "__wrapped__", function)
    if isinstance(code := getattr(function, "__code__", None), CodeType):
        yield code


def names_of(code: CodeType) -> set[str]:
    """Return the names and strings in a code object and in its inner functions."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    texts = {constant for constant in code.co_consts if isinstance(constant, str)}
    return {*code.co_names, *texts}.union(*map(names_of, inner))
