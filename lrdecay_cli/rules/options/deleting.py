"""A rule about ``_delete_`` in a dict that no base config contains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrdecay_cli.domain.fix import path_of
from lrdecay_cli.rules.api import Example, Fault, Fix, RuleContext, delete_option, rename_option, rule

_HARMLESS = "paramwise_cfg"
"""The setting in which ``_delete_`` does no harm, because constructors do not read it. In other settings, the class
that receives the dict raises an error, because ``_delete_`` is unknown to the class."""
MISSPELT = ("_delete", "delete_", "__delete__", "_delete__", "delete", "_deleted_", "_del_")


@rule(
    "LRD513",
    "delete-deletes-nothing",
    severity="error",
    also=("warning", "info"),
    bad=Example("optim_wrapper = dict(clip_grad=dict(_delete_=True, max_norm=1.0))"),
    good=Example("optim_wrapper = dict(clip_grad=dict(max_norm=1.0))"),
)
def delete_deletes_nothing(context: RuleContext) -> Iterator[Fault]:
    """``_delete_`` is in a dict that no base config contains, so mmengine treats ``_delete_`` as an option.

    mmengine removes ``_delete_`` only when it merges the dict into a dict of the base config. In any other dict,
    ``_delete_`` stays. The class, loop or function that receives the dict then refuses ``_delete_`` when the run
    starts, or at the first step.

    ``_delete_`` deletes nothing if the base has no such dict, for example after you copied the dict from another config
    or changed ``_base_``. A misspelt ``_delete_`` deletes nothing either. In ``paramwise_cfg``, a leftover ``_delete_``
    does no harm, because constructors do not read it: the severity there is info.
    """
    # One fault for each ``_delete_``.
    training = context.group_map.training
    loops = {path: loop.settings for path, loop in (training.loops or {}).items()}
    config: dict[str, Any] = {
        "optim_wrapper": training.optim_wrapper,
        "param_scheduler": training.param_scheduler,
        "train_cfg": training.train_cfg,
        **loops,
    }
    for keys in _left(config, ()):
        place = path_of(keys[:-1])
        if keys[-1] != "_delete_":
            yield Fault(
                f"{place} has no option {keys[-1]}, and mmengine recognises only the spelling _delete_",
                "did you mean _delete_, which drops the settings of the base config?",
                option=path_of(keys),
                severity="warning",
                edits=[Fix(edits=(rename_option(keys, "_delete_"),), automatic=False)],
            )
            continue
        yield Fault(
            f"_delete_ in {place} deletes nothing: no base config has {place}, so mmengine treats _delete_ as an"
            " option",
            f"remove {path_of(keys)}",
            option=path_of(keys),
            severity="info" if _HARMLESS in keys else "warning" if keys[0] == "test_cfg" else None,
            edits=[delete_option(keys)],
        )


def _left(value: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "_delete_" or (key in MISSPELT and _HARMLESS in keys):
                yield (*keys, key)
            else:
                yield from _left(inner, (*keys, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _left(inner, (*keys, index))
