"""Decide whether a hook that fails in a dry run also fails in the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from lrdecay_cli.domain.dry_run import LeftOut
from lrdecay_cli.openmmlab.config_values import type_name
from lrdecay_cli.openmmlab.dry_run.driving import STACK
from lrdecay_cli.openmmlab.train_mode import describe_error

_OF_SETTINGS = (AssertionError, TypeError, ValueError)
"""Exceptions of wrong settings. Other exceptions may come from this machine, such as a missing file or GPU."""
_BEFORE_DATA = ("before_run", "before_train")
_REPLACED = frozenset(
    {
        *("train_dataloader", "val_dataloader", "test_dataloader", "dataloader", "dataset"),
        *("visualizer", "work_dir", "log_dir", "cuda"),
    }
)
"""Names of what a dry run replaces. Code with such a name may fail only in the dry run."""


def failed_hook(name: str, method: str, error: Exception, config: Mapping[str, Any], *, needs_data: bool) -> LeftOut:
    """Return the record of a hook that failed in a dry run.

    Args:
        name: class name of the hook.
        method: the hook's method that raised; empty if the hook could not be built.
        error: the exception.
        config: the config, which contains the settings of the hook.
        needs_data: True if the method got a batch, or if it used the dataset.
    """
    what = f"{method} fails" if method else "the hook cannot be built"
    text = describe_error(error)
    if needs_data:
        return LeftOut(name, f"{what} in the dry run, which has no data ({text})", failed=True)
    option = _option_of(name, config)
    if option and method in ("", *_BEFORE_DATA) and isinstance(error, _OF_SETTINGS) and _is_of_stack(error):
        return LeftOut(name, f"{what}, also in the training ({text})", failed=True, option=option)
    return LeftOut(name, f"{what} in the dry run ({text}); the training may fail too", failed=True)


def _is_of_stack(error: Exception) -> bool:
    """True if only code of OpenMMLab packages was running, and if this code uses nothing that a dry run replaces."""
    frames = list(_frames(error))
    return bool(frames) and all(
        f"{module}.".startswith(STACK) and _REPLACED.isdisjoint((*code.co_names, *code.co_varnames))
        for module, code in frames
    )


def _frames(error: Exception) -> Iterator[tuple[str, CodeType]]:
    """Yield module and code of each frame that was running, from the hook or the registry on."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_globals.get("__name__", "").startswith("lrdecay_cli."):
        step = step.tb_next
    while step is not None:
        yield step.tb_frame.f_globals.get("__name__", ""), step.tb_frame.f_code
        step = step.tb_next


def _option_of(name: str, config: Mapping[str, Any]) -> str:
    """Return the path of a hook's settings in the config; empty if no or several hooks have this class name."""
    custom, default = config.get("custom_hooks") or (), config.get("default_hooks") or {}
    listed = [(f"custom_hooks[{index}]", hook) for index, hook in enumerate(custom)]
    listed += [(f"default_hooks.{key}", hook) for key, hook in default.items()]
    found = [
        path
        for path, hook in listed
        if isinstance(hook, Mapping) and "type" in hook and type_name(hook["type"]).rpartition(".")[2] == name
    ]
    return found[0] if len(found) == 1 else ""
