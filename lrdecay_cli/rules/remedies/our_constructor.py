"""What to write in a config so that lrdecay's own constructor decays it: a remedy to paste."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lrdecay_cli.constructors import OURS, rate_given
from lrdecay_cli.decay.families import BACKBONE_PREFIX
from lrdecay_cli.rules.context.rule_context import RuleContext
from lrdecay_cli.text.python_source import assignments

USUAL_RATE = 0.7
"""Where the config gives none: MMDetection's on ConvNeXt."""

EXEMPTING = f"use {OURS.label}, which exempts norms, biases and 1-D tensors without a key"


def exempt_in_ours(context: RuleContext, names: Iterable[str]) -> bool:
    """Whether it gives all of them weight decay 0 by itself."""
    return all(context.kinds.get(name) == "norm" or len(context.tensors[name].shape) == 1 for name in names)


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
    return f"{OURS.label}: {our_settings(context, context.options)}"


def our_settings(context: RuleContext, given: Mapping[str, Any], *, beside: Mapping[str, Any] | None = None) -> str:
    """``custom_imports`` and ``optim_wrapper`` on one line.

    Args:
        context: the map of the config as it is.
        given: a ``paramwise_cfg``; its rate, its type of decay and its custom keys are kept.
        beside: what else there is to say in ``optim_wrapper``.
    """
    training = context.group_map.training
    options = {**without_the_bases(context)}
    rate = rate_given(given)
    options["decay_rate"] = USUAL_RATE if rate is None else rate
    options |= {key: given[key] for key in ("decay_type", "custom_keys") if given.get(key) not in (None, "layer_wise")}
    if context.prefix != BACKBONE_PREFIX:
        options["backbone"] = context.prefix.rstrip(".")
    wrapper = {**(beside or {}), "constructor": OURS.name, "paramwise_cfg": options}
    further = "; keep what custom_imports has besides" if "custom_imports" in (training.from_bases or ()) else ""
    # Of a backbone that it does not know, the names of its layers have to be told.
    layers = "" if context.family else "; layers=[...] if it asks for them: lrdecay suggest"
    return assignments({"custom_imports": {"imports": [*OURS.imports]}, "optim_wrapper": wrapper}) + further + layers
