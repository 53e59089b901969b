"""Compare settings of two trainings, such as base lr and optimizer, and find the config options that set them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET, UnsetType, structs

from lrdecay_cli.analysis.comparing.changes import equal
from lrdecay_cli.domain.change import SettingChange, Unset
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.origins import ConfigOrigins
from lrdecay_cli.origins.of_maps import changed_option, keys_of_setting


def settings(before: GroupMap, after: GroupMap) -> list[SettingChange]:
    """Return the settings, such as the base lr, that differ between two maps.

    Only settings of the whole training are compared. The path of the config and the environment are not compared.
    """
    olds, news = dict(run_settings(before)), dict(run_settings(after))
    return [
        SettingChange(name, old, new, before_unset=_unset(before, name, olds), after_unset=_unset(after, name, news))
        for name in {**olds, **news}
        if not equal(old := olds.get(name), new := news.get(name))
    ]


def _unset(group_map: GroupMap, name: str, values: Mapping[str, Any]) -> Unset | UnsetType:
    """Return why a map has no value for a setting; ``UNSET`` if the map has a value.

    The reason is ``absent`` if the training does not have the setting. It is ``not recorded`` if the map is from a
    checkpoint that does not contain the value. For example, a checkpoint contains the base lr and the base weight
    decay only if the constructor recorded them. The number of GPUs is known only if ``auto_scale_lr`` is on.
    """
    recorded = {
        "constructor": group_map.constructor.type,
        "optimizer": group_map.optimizer.type,
        "model": group_map.model.type,
    }
    holder = name.partition(".")[0]
    unknown = group_map.checkpoint is not None and recorded.get(holder) == "unknown"
    if values.get(name) is not None and not (unknown and values[name] == "unknown"):
        return UNSET
    unrecorded = holder in ("base_lr", "base_weight_decay") or name == "batch.gpus"
    if unknown or (group_map.checkpoint is not None and unrecorded):
        return "not recorded"
    set_to_none = name in values and "options." in name
    return UNSET if set_to_none else "absent"


def with_options(setting: SettingChange, before: ConfigOrigins | None, after: ConfigOrigins | None) -> SettingChange:
    """Return a copy that also contains the options that set the two values, one for each config.

    Each option includes its file and line. If ``before`` or ``after`` is None, the option of that config is missing.
    """
    keys = keys_of_setting(setting.name)
    if keys is None:
        return setting
    old = changed_option(keys, setting.before, setting.after, before) if before else None
    new = changed_option(keys, setting.after, setting.before, after) if after else None
    return structs.replace(setting, before_option=old or UNSET, after_option=new or UNSET)


def run_settings(group_map: GroupMap) -> Iterator[tuple[str, Any]]:
    """Yield the path (such as ``optimizer.type``) and the value of every setting that :func:`settings` compares."""
    yield "model.type", group_map.model.type
    yield "model.backbone", group_map.model.backbone
    yield "base_lr", group_map.base_lr
    yield "base_weight_decay", group_map.base_weight_decay
    if batch := group_map.batch:
        yield "batch.lr_factor", batch.lr_factor
        yield "batch.gpus", batch.gpus
    yield "optimizer.type", group_map.optimizer.type
    yield "optimizer.wrapper", group_map.optimizer.wrapper
    for key, value in group_map.optimizer.options.items():
        yield f"optimizer.options.{key}", value
    yield "constructor.type", group_map.constructor.type
    for key, value in group_map.constructor.options.items():
        yield f"constructor.options.{key}", value
