"""The whole way through the decay for one parameter of one model, with settings that work unless others are given."""

from __future__ import annotations

from typing import Any

from lrdecay_cli.decay import ALL_FAMILIES, DecayOptions, DecayRules
from lrdecay_cli.domain.provenance import Provenance

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
    """Provenance of a parameter.

    Args:
        name: the parameter.
        backbone: class name of the backbone.
        shape: of the parameter.
        given: ``paramwise_cfg`` in place of the usual one, keys to go into the usual one, or an argument of
            :meth:`DecayRules.of_model`.
    """
    rules = {key: given.pop(key) for key in ("names", "base_lr", "base_weight_decay", "families") if key in given}
    blocks = (f"backbone.{block}.weight" for block in BLOCKS.get(str(backbone), ()))
    usual = {"num_layers": NUM_LAYERS.get(str(backbone), 12), "decay_rate": 0.7}
    options = DecayOptions.from_paramwise_cfg(given.pop("paramwise_cfg", {**usual, **given}))
    settings = {"names": [*blocks, HEAD], "base_lr": 1e-4, "base_weight_decay": 0.05, "families": ALL_FAMILIES, **rules}
    return DecayRules.of_model(options=options, backbone_class=backbone, **settings).explain(name, shape)
