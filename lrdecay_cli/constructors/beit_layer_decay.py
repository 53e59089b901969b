"""``LayerDecayOptimizerConstructor`` of ViT-Adapter and EVA. The variants differ in the parameter names of the stem.

All variants are derived from BEiT. Sources: ViT-Adapter (czczup/ViT-Adapter, 2025-06),
``detection/mmcv_custom/layer_decay_optimizer_constructor.py`` and ``segmentation/…``; EVA (baaivision/EVA, 2024-08),
``EVA-01/seg/mmcv_custom/…`` and ``EVA-02/seg/…``. These files are written for mmcv 1. With imports from mmengine
instead of mmcv, they build the same groups. In some variants, the queries of the decode head train at the stem's lr.
"""

from __future__ import annotations

from lrdecay_cli.constructors.layer_names import TOKENS, at_stem, block_clause, layers_by
from lrdecay_cli.constructors.named_layers import BIAS, FLAT, Exempt, NamedDecay
from lrdecay_cli.constructors.spec import ConstructorSpec
from lrdecay_cli.decay.families import BACKBONE_PREFIX, ClassNames
from lrdecay_cli.decay.parameter_kinds import UNDECAYED_NAMES
from lrdecay_cli.text.counting import either

QUERIES = tuple(
    f"decode_head.{name}" for name in ("mask_embed", "cls_embed", "level_embed", "query_embed", "query_feat")
)
"""Prefixes of parameter names. The constructors for Mask2Former train these parameters at the stem's lr."""
_PATCHES, _VISUAL = f"{BACKBONE_PREFIX}patch_embed", f"{BACKBONE_PREFIX}visual_embed"


def _spec(
    project: str,
    short: str,
    starts: tuple[str, ...],
    rows: tuple[str, ...],
    exempt: tuple[str, ...],
    marks: tuple[str, ...],
) -> ConstructorSpec:
    names = either(map(repr, exempt))
    decay = NamedDecay(
        layers=(
            layers_by(
                (*at_stem(*starts, tokens=TOKENS), *map(block_clause, rows)),
                ClassNames(("",), within=True),
                rf"(?:{'|'.join(rows)})\.(\d+)\.",
                rows,
            ),
        ),
        exempt=(FLAT, BIAS, Exempt(f"name is {names}", lambda name, shape: name in exempt, f"be named just {names}")),
        rate_option="layer_decay_rate",
    )
    return ConstructorSpec(
        name="LayerDecayOptimizerConstructor",
        project=project,
        package="",
        short=short,
        marks=marks,
        lr_from="layers",
        options=("layer_decay_rate", "num_layers"),
        rate_option="layer_decay_rate",
        num_layers="family",
        rest_is_head=True,
        exempt_names=exempt,
        exempting="exempt these parameters from weight decay in your own constructor:"
        f" {project}'s constructor exempts only 1-D parameters",
        make_rules=decay.make_rules,
        raise_cause=decay.raise_cause,
    )


_ADAPTED = (*UNDECAYED_NAMES, "visual_embed")
_VIT, _BOTH = "ViT-Adapter", ("blocks", "layers")
SPECS = (
    _spec(_VIT, f"{_VIT} layer decay", (_VISUAL, _PATCHES), _BOTH, _ADAPTED, ("adapter",)),
    _spec(_VIT, f"{_VIT} layer decay for segmentation", (_PATCHES, _VISUAL, *QUERIES), _BOTH, _ADAPTED, ("adapter",)),
    _spec("EVA-02", "EVA-02 layer decay", (_PATCHES,), ("blocks",), UNDECAYED_NAMES, ("eva2", "eva02", "eva_02")),
    _spec("EVA-01", "EVA-01 layer decay", (_PATCHES, *QUERIES), ("blocks",), UNDECAYED_NAMES, ("eva01", "eva_01")),
)
"""Specifications of four constructors. If several reproduce a group map equally well, lrdecay uses the first."""
