"""Run the whole decay for one parameter of one model, with valid default settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lrdecay_cli.decay.families import ALL_FAMILIES, BACKBONE_PREFIX
from lrdecay_cli.decay.options import DecayOptions
from lrdecay_cli.decay.rules import DecayRules, PlannedGroup, TrainingParameter, sorted_into_groups
from lrdecay_cli.domain.provenance import Formula, Provenance

HEAD = "bbox_head.fc.weight"
# Blocks by backbone class: three stages of 2, 1 and 1, a row of 12, a ResNet-50 and a ConvNeXt-S.
BLOCKS = {
    "ConvNeXt": [f"stages.{stage}.{block}" for stage, depth in enumerate((3, 3, 27, 3)) for block in range(depth)],
    "VisionTransformer": [f"layers.{block}" for block in range(12)],
    "ResNet": [f"layer{stage}.{depth - 1}" for stage, depth in enumerate((3, 4, 6, 3), start=1)],
    "SwinTransformer": ["stages.0.blocks.0", "stages.0.blocks.1", "stages.1.blocks.0", "stages.2.blocks.0"],
    "SwinTransformerV2": ["stages.0.blocks.0", "stages.0.blocks.1", "stages.1.blocks.0", "stages.2.blocks.0"],
}
NUM_LAYERS = {"SwinTransformer": 4, "SwinTransformerV2": 4, "ResNet": 6}


def explained(
    name: str = HEAD, *, backbone: str | None = "ConvNeXt", shape: tuple[int, ...] = (2, 2), **given: Any
) -> Provenance:
    """Return the provenance of a parameter.

    Args:
        name: the parameter.
        backbone: class name of the backbone.
        shape: shape of the parameter.
        given: a whole ``paramwise_cfg``, keys of ``paramwise_cfg``, or an argument of :meth:`DecayRules.of_model`.
    """
    rules = {key: given.pop(key) for key in ("names", "base_lr", "base_weight_decay", "families") if key in given}
    blocks = (f"backbone.{block}.weight" for block in BLOCKS.get(str(backbone), ()))
    usual = {"num_layers": NUM_LAYERS.get(str(backbone), 12), "decay_rate": 0.7}
    options = DecayOptions.from_paramwise_cfg(given.pop("paramwise_cfg", {**usual, **given}))
    settings = {"names": [*blocks, HEAD], "base_lr": 1e-4, "base_weight_decay": 0.05, "families": ALL_FAMILIES, **rules}
    return DecayRules.of_model(options=options, backbone_class=backbone, **settings).explain(name, shape)


def plan_groups(
    parameters: Iterable[TrainingParameter], options: DecayOptions, **settings: Any
) -> tuple[PlannedGroup, ...]:
    """Return the groups of a model; ``settings`` are arguments of :meth:`DecayRules.of_model`."""
    everything = tuple(parameters)
    names = [parameter.name for parameter in everything]
    return sorted_into_groups(everything, DecayRules.of_model(names, options, **settings))


def one_line(name: str, provenance: Provenance, prefix: str = BACKBONE_PREFIX) -> str:
    """Return name, layer id and lr scale: ``stages.2.7 → 3 + 7 // 3 = 5 → 0.7 ** (14 - 5 - 1) = 0.0576``."""
    steps = (step for step in (provenance.layer_id, provenance.lr_scale) if step is not None)
    return " → ".join((matched_part(name, provenance, prefix), *map(_sum, steps)))


def matched_part(name: str, provenance: Provenance, prefix: str = BACKBONE_PREFIX) -> str:
    """Return the part of a name that decided its layer id, without the backbone's prefix; else the whole name."""
    pattern = provenance.layer_id.cause if provenance.layer_id else ""
    if not pattern.startswith(prefix):
        return name
    return ".".join(name.split(".")[: pattern.count(".") + 1]).removeprefix(prefix)


def _sum(step: Formula) -> str:
    """Return formula and result; a formula that equals its result is shown alone."""
    shown = f"{step.result:.3g}" if isinstance(step.result, float) else str(step.result)
    return shown if step.formula == str(step.result) else f"{step.formula} = {shown}"
