"""Which hooks of a config may set an lr, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import CodeType

from mmengine.config import Config
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.registry import HOOKS

from lrdecay_cli.openmmlab.building import training_scope
from lrdecay_cli.openmmlab.config_values import find_registered, type_name

LEFT_OUT = {
    "CheckpointHook": "it writes checkpoints",
    "LoggerHook": "it writes logs",
    "RuntimeInfoHook": "it prepares what is logged",
    "ProfilerHook": "it measures the machine",
    "IterTimerHook": "it measures the machine",
}
"""Hooks of mmengine that log, save or measure, and why a dry run does without them."""

# Packages whose hooks are judged by their code: it does not hand the runner to functions elsewhere that set an lr.
_KNOWN = ("mmengine", "mmdet", "mmpretrain", "lrdecay_cli")
# What code has to name to reach an lr.
_REACHES = {"optim_wrapper", "optimizer", "param_groups", "param_schedulers"}
_FREEZES = {"requires_grad", "requires_grad_"}


def lr_hooks(config: Config) -> list[str]:
    """Hooks of a config by which its lrs may be others than its schedulers say; empty for mmengine's own hooks alone.

    Source: mmengine 0.10.7, ``Runner.register_default_hooks``. ``ParamSchedulerHook`` is named where nothing steps the
    schedulers, or more than one hook does.
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


def is_inert(kind: type) -> bool:
    """Whether a hook of the stack changes neither an lr nor what requires a gradient, by what its code names."""
    return _never_names(kind, _REACHES | _FREEZES)


def _is_harmless(kind: type) -> bool:
    """Whether a hook sets no lr for sure."""
    left_out = kind.__name__ in LEFT_OUT and kind.__module__.startswith("mmengine.")
    return _never_names(kind, set() if left_out else _REACHES)


def _never_names(kind: type, words: set[str]) -> bool:
    """Whether a class and its bases are of known packages, and their code has none of the words."""
    own = [base for base in kind.__mro__ if base not in (Hook, object)]
    known = all(base.__module__.partition(".")[0] in _KNOWN for base in own)
    return known and not any(_names(code) & words for base in own for code in _codes(base))


def _codes(kind: type) -> Iterator[CodeType]:
    for member in vars(kind).values():
        function = getattr(member, "__func__", member)
        function = getattr(function, "__wrapped__", function)
        if isinstance(code := getattr(function, "__code__", None), CodeType):
            yield code


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    texts = {constant for constant in code.co_consts if isinstance(constant, str)}
    return {*code.co_names, *texts}.union(*map(_names, inner))
