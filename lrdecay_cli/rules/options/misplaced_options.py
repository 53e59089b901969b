"""A rule about top-level settings that mmengine ignores, including settings of MMCV 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors import find_constructor
from lrdecay_cli.domain.fix import keys_of_path
from lrdecay_cli.domain.training import RUNNER_KEYS, Training
from lrdecay_cli.files.mmcv1 import OPTIMIZER_KEYS, SCHEDULE_KEYS, as_mmengine, is_mmcv_style
from lrdecay_cli.rules.api import (
    OURS,
    PARAMWISE,
    Edit,
    Example,
    Fault,
    Fix,
    RuleContext,
    delete_option,
    listed,
    move_option,
    nearest,
    our_settings,
    rename_option,
    rule,
    set_option,
    training_length,
    training_unit,
)
from lrdecay_cli.text.python_source import assignments

_PLACES = {
    "paramwise_cfg": "optim_wrapper.paramwise_cfg",
    "paramwise_options": "optim_wrapper.paramwise_cfg",
    "constructor": "optim_wrapper.constructor",
    "optimizer": "optim_wrapper.optimizer",
    "custom_keys": "optim_wrapper.paramwise_cfg.custom_keys",
    "clip_grad": "optim_wrapper.clip_grad",
    "accumulative_counts": "optim_wrapper.accumulative_counts",
    "grad_clip": "optim_wrapper.clip_grad",
    "optimizer_config": "optim_wrapper",
    "lr_config": "param_scheduler",
    "momentum_config": "param_scheduler",
    "max_epochs": "train_cfg.max_epochs",
    "total_epochs": "train_cfg.max_epochs",
    "max_iters": "train_cfg.max_iters",
}
_CHANGES_GROUPS = ("paramwise_cfg", "paramwise_options", "constructor", "custom_keys")


@rule(
    "LRD510",
    "option-misplaced",
    severity="warning",
    also=("error",),
    bad=Example("paramwise_cfg = dict(custom_keys=dict(head=dict(lr_mult=10.0)))"),
    good=Example("paramwise_cfg = dict(num_layers=6)\noptim_wrapper = dict(paramwise_cfg=paramwise_cfg)"),
)
def option_misplaced(context: RuleContext) -> Iterator[Fault]:
    """A setting of the optimizer wrapper or the schedule is in a place where mmengine ignores it.

    mmengine reads the optimizer and its groups from ``optim_wrapper``, the schedule from ``param_scheduler`` and the
    length of the training from ``train_cfg``. It accepts every other top-level name without a warning.

    The most common misplaced setting is a top-level ``paramwise_cfg``. The settings of MMCV 1 are also ignored:
    ``optimizer``, ``optimizer_config``, ``fp16``, ``lr_config``, ``momentum_config`` and ``runner``. The
    fix in the finding contains the equivalent settings of mmengine.

    A top-level name that resembles a name of mmengine (``optim_wraper``, ``param_schedulers``) is reported as misspelt.
    LRD510 does not report a variable that the config or its base uses in other settings. It does report a top-level
    ``max_epochs`` if the config sets it instead of ``train_cfg.max_epochs``.
    """
    training = context.group_map.training
    old = {key: value for key, value in training.misplaced.items() if is_mmcv_style(key, value)}
    for path, value in training.misplaced.items():
        name = path.rpartition(".")[2]
        if path in old:
            yield from _of_mmcv(context, old, path)
            continue
        if (like := nearest(path, RUNNER_KEYS)) and path not in _PLACES:
            edits = [rename_option(path, like)]
            yield Fault(f"mmengine ignores {path}", f"did you mean {like}?", option=path, severity="error", edits=edits)
            continue
        place = _PLACES.get(name, f"optim_wrapper.{name}")
        placed = _at({"optim_wrapper": training.optim_wrapper, "train_cfg": training.train_cfg}, place)
        if value in (None, {}, []) or _holds(placed, value):
            continue
        # max_epochs is an unused variable in a training that counts iterations, and the reverse.
        is_length = place.startswith("train_cfg.")
        if is_length and placed is None:
            continue
        beside = placed is not None
        unread = _unread(context, place, value)
        yield Fault(
            f"mmengine ignores {path}{f', which conflicts with {place}' if beside else ''}",
            f"remove it, or move it to {place} and use a constructor that reads {listed(unread)}"
            if unread
            else f"move it to {place}",
            option=path,
            severity="error" if name in _CHANGES_GROUPS else None,
            edits=[delete_option(path)] if unread else _moved(context, path, place, value),
            # These rules report problems that the wrong length causes.
            covers=("LRD603", "LRD606") if is_length else (),
        )


def _unread(context: RuleContext, place: str, value: Any) -> list[str]:
    """Return the options in a misplaced setting that the constructor does not have.

    Moving the setting to ``place``, the path where mmengine reads it, would not help: the constructor would ignore
    these options there too.
    """
    if not context.spec.known or not place.startswith(PARAMWISE):
        return []
    options = ["custom_keys"] if place != PARAMWISE else value if isinstance(value, Mapping) else []
    return [option for option in options if option not in context.spec.options]


def _moved(context: RuleContext, path: str, place: str, value: Any) -> list[Edit | Fix]:
    """Return edits that move a setting to ``place``, the path where mmengine reads it.

    If ``place`` already has a value, there are three cases:

    - In ``train_cfg``, the edit replaces this value, but ``check --fix`` leaves the decision to the user.
    - If both values are dicts without a common key, the edits move each entry of the setting.
    - In all other cases, there are no edits.
    """
    training = context.group_map.training
    present = _at({"optim_wrapper": training.optim_wrapper, "train_cfg": training.train_cfg}, place)
    if present is None:
        return [move_option(path, place)]
    if place.startswith("train_cfg."):
        # Only the user knows which of the two lengths is right.
        return [Fix(edits=(set_option(place, value), delete_option(path)), automatic=False)]
    if not isinstance(present, Mapping) or not isinstance(value, Mapping) or {*present} & {*value}:
        return []
    keys = keys_of_path(path), keys_of_path(place)
    return [*(move_option((*keys[0], key), (*keys[1], key)) for key in value), delete_option(path)]


def _of_mmcv(context: RuleContext, old: Mapping[str, Any], key: str) -> Iterator[Fault]:
    """Yield a fault for a setting of MMCV 1, with its mmengine equivalent as the fix.

    Several settings of MMCV 1 may have the same equivalent, for example ``optim_wrapper``. Then the fault of the first
    setting has the fix, and the other faults refer to the first setting.
    """
    training = context.group_map.training
    present: dict[str, Any] = {
        "optim_wrapper": training.optim_wrapper,
        "train_cfg": training.train_cfg,
        "param_scheduler": [*training.param_scheduler],
    }
    unit = training_unit(training.train_cfg)
    length = training_length(training.train_cfg, unit) if unit else None
    in_epochs = unit != "iterations"
    own = as_mmengine({key: old[key]}, length=length, in_epochs=in_epochs)
    if not own and key not in SCHEDULE_KEYS:
        return  # optimizer_config=dict(grad_clip=None)
    place = next(iter(own), "param_scheduler")
    if own and _holds(present.get(place), own[place]):
        return
    translated = as_mmengine(old, length=length, in_epochs=in_epochs).get(place)
    if place == "optim_wrapper" and isinstance(translated, Mapping):
        translated = _with_weight_decay(context, translated)
    edits: list[Edit] = []
    together = next((keys for keys in (OPTIMIZER_KEYS, SCHEDULE_KEYS) if key in keys), (key,))
    first = next(name for name in old if name in together)
    unfit = find_constructor(str(translated.get("constructor", ""))) if isinstance(translated, Mapping) else None
    if translated is None and own:
        others = listed(set(old) & {*SCHEDULE_KEYS} - {key})
        fix = f"rewrite {place}: {assignments(own)}, plus settings for {others}"
    elif translated is None:
        fix = f"rewrite {place}: mmengine has no policy {old[key].get('policy')!r}"
    elif key != first:
        fix = f"apply the fix for {first}, which also replaces {key}"
    elif unfit and not unfit.serves(context.group_map.model.backbone):
        kept = {key: translated[key] for key in translated if key not in ("constructor", "paramwise_cfg")}
        beside = _over_base(training, place, kept)
        text = our_settings(context, translated.get("paramwise_cfg") or {}, beside=beside)
        fix = f"{unfit.name} does not support this backbone; use {OURS.label} instead: {text}"
    else:
        settings = _over_base(training, place, translated)
        fix = f"replace it by: {assignments({place: settings})}"
        edits = _translated([name for name in old if name in together], place, translated)
    conflict = ", which conflicts with optim_wrapper.optimizer" if key == "optimizer" else ""
    # The schedule and the optimizer of another training: the user has to decide.
    proposed = [Fix(edits=tuple(edits), automatic=False)] if edits else ()
    yield Fault(f"mmengine ignores {key}{conflict}", fix, option=key, edits=proposed)


def _with_weight_decay(context: RuleContext, translated: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings translated from MMCV 1. Add torch's default weight decay if the constructor needs a value.

    A layer-decay constructor copies the optimizer's weight decay into groups. If the settings contain no weight decay,
    the constructor would copy ``None``, which LRD408 reports.
    """
    optimizer = translated.get("optimizer")
    if not context.spec.decays_layers or not isinstance(optimizer, Mapping) or "weight_decay" in optimizer:
        return translated
    default = 0.01 if str(optimizer.get("type")).endswith("AdamW") else 0.0
    return {**translated, "optimizer": {**optimizer, "weight_decay": default}}


def _translated(replaced: Iterable[str], place: str, translated: Any) -> list[Edit]:
    """Return edits that write the mmengine equivalent and delete the MMCV 1 settings that it replaces."""
    removed = [delete_option((name,)) for name in replaced]
    if place == "optim_wrapper" and isinstance(translated, Mapping):
        return [*(set_option((place, name), value) for name, value in translated.items()), *removed]
    return [set_option((place,), translated), *removed]


def _over_base(training: Training, place: str, settings: Any) -> Any:
    """Return the settings, with ``_delete_`` added where entries of a base config would conflict."""
    if place not in (training.from_bases or ()):
        return settings
    if place == "train_cfg":
        return {"_delete_": True, **settings} if {*training.train_cfg} - {*settings} - {"val_interval"} else settings
    base = training.optim_wrapper.get("optimizer")
    if place == "optim_wrapper" and "optimizer" in settings and isinstance(base, Mapping):
        new = settings["optimizer"]
        if base.get("type") != new.get("type") or {*base} - {*new}:
            return {**settings, "optimizer": {"_delete_": True, **new}}
    return settings


def _at(found: Any, place: str) -> Any:
    for key in place.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _holds(placed: Any, value: Any) -> bool:
    """Return True if ``placed`` equals ``value``, or is a dict that contains all entries of ``value``."""
    if isinstance(placed, Mapping) and isinstance(value, Mapping):
        return all(key in placed and _holds(placed[key], item) for key, item in value.items())
    return bool(placed == value)
