"""What to write in a config so that lrdecay's own constructor decays it: a remedy to paste."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lrdecay_cli.constructors.facts import LRDECAY_LAYER_DECAY
from lrdecay_cli.decay import BACKBONE_PREFIX, MMDET_FAMILIES, find_family
from lrdecay_cli.rules.context.rule_context import OURS, RuleContext
from lrdecay_cli.text.python_source import assignments

IMPORTS = {"imports": ["lrdecay_cli.training"]}
"""What registers it."""

USUAL_RATE = 0.7
"""Where the config gives none: MMDetection's on ConvNeXt."""

EXEMPTING = f"use {OURS}, which exempts norms, biases and 1-D tensors without a key"


def exempt_in_ours(context: RuleContext, names: Iterable[str]) -> bool:
    """Whether it gives all of them weight decay 0 by itself."""
    return all(context.kinds.get(name) == "norm" or len(context.tensors[name].shape) == 1 for name in names)


def mmdet_serves(context: RuleContext) -> bool:
    """Whether MMDetection's constructor knows the layers of the model's backbone."""
    return find_family(context.group_map.model.backbone or "", MMDET_FAMILIES) is not None


def without_the_bases(context: RuleContext) -> dict[str, Any]:
    """What drops options of a base, which would stay beside new ones: ``{"_delete_": True}``, or nothing.

    Where there is nothing to drop, mmengine leaves ``_delete_`` among the options.
    """
    training = context.group_map.training
    # paramwise_cfg=None and dict(_delete_=True) are written over a base's.
    emptied = "paramwise_cfg" in training.optim_wrapper and not context.options and bool(training.from_bases)
    return {"_delete_": True} if training.inherited or emptied else {}


def in_its_place(context: RuleContext) -> str:
    """The constructor, with the settings that take the place of the present ones."""
    return f"{OURS}: {written(context, context.options)}"


def written(context: RuleContext, given: Mapping[str, Any], *, beside: Mapping[str, Any] | None = None) -> str:
    """``custom_imports`` and ``optim_wrapper`` on one line.

    Args:
        context: the map of the config as it is.
        given: a ``paramwise_cfg``; its rate, its type of decay and its custom keys are kept.
        beside: what else there is to say in ``optim_wrapper``.
    """
    training = context.group_map.training
    options = {**without_the_bases(context)}
    options["decay_rate"] = given.get("decay_rate", given.get("layer_decay_rate", USUAL_RATE))
    options |= {key: given[key] for key in ("decay_type", "custom_keys") if given.get(key) not in (None, "layer_wise")}
    if context.prefix != BACKBONE_PREFIX:
        options["backbone"] = context.prefix.rstrip(".")
    wrapper = {**(beside or {}), "constructor": LRDECAY_LAYER_DECAY, "paramwise_cfg": options}
    further = "; keep what custom_imports has besides" if "custom_imports" in (training.from_bases or ()) else ""
    # Of a backbone that it does not know, the names of its layers have to be told.
    layers = "" if context.family else "; layers=[...] if it asks for them: lrdecay suggest"
    return assignments({"custom_imports": IMPORTS, "optim_wrapper": wrapper}) + further + layers
