"""Layer ids of ResNet and similar backbones of mmpretrain and mmdet: a stem and stages ``layer1`` to ``layer4``.

Source: mmpretrain 1.2.0, ``ResNet.get_layer_depth``, which supports ResNet-34, 50, 101, 152, 200 and 269. This module
adds two things: in a ResNet of any other depth, blocks share layer ids as in ResNet-50, and a backbone may have fewer
than four stages.
"""

from __future__ import annotations

import re

from lrdecay_cli.decay.families.interface import (
    BACKBONE_PREFIX,
    ClassNames,
    Family,
    depths_by,
    index_part,
    outside,
    with_the_head,
)
from lrdecay_cli.decay.options import DecayType
from lrdecay_cli.domain.provenance import Formula, by_name

CLASSES = ClassNames(
    (
        # mmpretrain and mmdet
        "ResNet",
        "ResNetV1c",
        "ResNetV1d",
        "ResNeXt",
        "ResNeSt",
        "Res2Net",
        "RegNet",
        "SEResNet",
        "SEResNeXt",
        "ResNet_CIFAR",
        "SparseResNet",
        "DetectoRS_ResNet",
        "DetectoRS_ResNeXt",
        "TridentResNet",
    )
)


def layer_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Return the layer id of a parameter, which depends on the stage and the block.

    In the second and third stage, a few blocks share one layer id. In the other stages, all blocks share one layer id.

    Raises:
        DecayError: a stage or block is outside ``depths``, or a block index is missing or not an integer.
    """
    found = _stage(name, num_layers, depths, prefix)
    if isinstance(found, Formula):
        return found
    stage, parts = found
    block = index_part(name, parts, 1, "block")
    if not 0 <= block < depths[stage]:
        raise outside(name, "block", block, depths[stage])
    before = sum(_ids(depths)[:stage])
    pattern = f"{prefix}layer{stage + 1}.<block>"
    if stage not in (1, 2):
        return by_name(pattern, f"{before + 1}", f"{before + 1}", before + 1)
    shared = _SHARED.get(depths[1:3], (2, 3))[stage - 1]
    expression, formula = f"{before + 1} + block // {shared}", f"{before + 1} + {block} // {shared}"
    return by_name(pattern, expression, formula, before + 1 + block // shared, {"block": block})


def stage_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Return the layer id of a parameter, which depends on the stage: 0 for the stem, 1 for the first stage.

    Raises:
        DecayError: the stage is outside ``depths``.
    """
    found = _stage(name, num_layers, depths, prefix)
    if isinstance(found, Formula):
        return found
    stage, _ = found
    return by_name(f"{prefix}layer{stage + 1}", f"{stage + 1}", f"{stage + 1}", stage + 1)


def placement(
    name: str, decay_type: DecayType, num_layers: int, depths: tuple[int, ...], prefix: str
) -> Formula | None:
    """Return the head's layer id for the classifier ``fc`` of torchvision's and timm's ResNets; None for other names.

    The layer rules would give the classifier the stem's layer id.
    """
    return with_the_head(num_layers) if name.startswith(f"{prefix}fc.") else None


def _stage(name: str, num_layers: int, depths: tuple[int, ...], prefix: str) -> tuple[int, list[str]] | Formula:
    """Return the stage index, counted from 0, and the dotted parts of the name after the prefix.

    If the parameter is in no stage, return the formula for its layer id instead.
    """
    if not name.startswith(prefix):
        return with_the_head(num_layers)
    parts = name.removeprefix(prefix).split(".")
    found = re.fullmatch(r"layer(\d+)", parts[0], re.ASCII)
    if not found:
        return by_name(f"{prefix}{parts[0]}", "0", "0", 0)
    stage = int(found.group(1)) - 1
    if not 0 <= stage < len(depths):
        raise outside(name, "stage", stage + 1, len(depths), first=1)
    return stage, parts


_SHARED: dict[tuple[int, ...], tuple[int, int]] = {(8, 36): (4, 4), (24, 36): (4, 4), (30, 48): (5, 6)}
"""How many blocks share one layer id in the second stage, and how many in the third stage.

The keys are the depths of these two stages. With other depths, 2 blocks share a layer id in the second stage, and 3
blocks in the third stage.
"""


def _ids(depths: tuple[int, ...]) -> list[int]:
    """Return the number of layer ids in each stage."""
    shared = (0, *_SHARED.get(depths[1:3], (2, 3)))
    return [-(-depth // shared[stage]) if stage in (1, 2) else 1 for stage, depth in enumerate(depths)]


FAMILY = Family(
    name="resnet",
    classes=CLASSES,
    rules={"layer_wise": layer_wise, "stage_wise": stage_wise},
    depths=depths_by(r"layer([1-9])\.(\d+)\.", first_stage=1),
    fitting_num_layers=lambda depths: sum(_ids(depths)),
    placement=placement,
)
