"""Compare merged configs: a fix may change only the options of its edits."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping
from typing import Any

from lrdecay_cli.domain.fix import Edit, EditError, Keys, apply_edits, path_of
from lrdecay_cli.origins import UNKNOWN

_READ = frozenset(
    (
        *("model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "val_cfg"),
        *("test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler", "val_evaluator", "test_evaluator"),
        *("default_hooks", "custom_hooks", "data_preprocessor", "load_from", "resume", "launcher", "env_cfg"),
        *("log_processor", "log_level", "visualizer", "default_scope", "randomness", "experiment_name"),
        *("model_wrapper_cfg", "custom_imports", "tta_model"),
    )
)
"""Top-level names of a config that mmengine reads. Other names are variables, which have an effect only if a
setting uses them.

Source: mmengine 0.10.7, ``Runner.from_cfg``, and its tools."""


class Refused(Exception):  # noqa: N818
    """A fix cannot be written into the files of a config; the message is the reason in one line."""


def value_at(config: Any, keys: Keys) -> Any:
    """Return the value of an option in a merged config. Raises Refused if the option is not set."""
    try:
        for key in keys:
            config = config[key]
    except (LookupError, TypeError) as error:
        raise Refused(f"{path_of(keys)} is not set") from error
    return config


def has_unknown(value: Any) -> bool:
    """Return True if the value, or a part of it, is known only by running the config."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(has_unknown, value))
    return value is UNKNOWN


def edited(before: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """Return a copy of a merged config with one edit. Raises Refused if the edit does not fit the config."""
    holder: Any = before
    for index, key in enumerate(edit.keys):
        if holder is UNKNOWN:
            raise Refused(f"{path_of(edit.keys[:index])} is unknown without running the config")
        try:
            holder = holder[key]
        except (LookupError, TypeError):
            break
    expected: MutableMapping[str, Any] = copy.deepcopy(before, {id(UNKNOWN): UNKNOWN})
    try:
        apply_edits(expected, [edit])
    except EditError as error:
        raise Refused(str(error)) from error
    return dict(expected)


def check_change(found: Mapping[str, Any], expected: Mapping[str, Any], edit: Edit, variables: frozenset[str]) -> None:
    """Raise Refused if the merged config ``found`` differs from the merged config ``expected``.

    Only the values of ``variables`` may differ. The edited name, and names that mmengine reads, such as ``model``, must
    always have equal values.
    """
    for key in {*found, *expected} - (variables - _READ - {edit.keys[0]}):
        if key not in found or key not in expected or not is_same(found[key], expected[key]):
            raise Refused(f"the new config text would give {key} another value than this edit: {edit}")


def is_same(first: Any, second: Any) -> bool:
    """Return True if two merged configs have the same values of the same types. ``1`` and ``True`` differ."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(is_same(value, second[key]) for key, value in first.items())
    if isinstance(first, (list, tuple)) and type(first) is type(second):
        return len(first) == len(second) and all(map(is_same, first, second))
    # 1 differs from True here, and NaN equals itself.
    return first is second or (type(first) is type(second) and repr(first) == repr(second))
