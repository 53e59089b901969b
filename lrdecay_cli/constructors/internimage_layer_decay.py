"""InternImage's ``CustomLayerDecayOptimizerConstructor``: layer ids by stage and block, and a factor for offsets.

Source: InternImage (OpenGVLab/InternImage, 2025-03), ``custom_layer_decay_optimizer_constructor.py`` in
``detection/mmcv_custom/`` and ``segmentation/mmcv_custom/``. Both files are written for mmcv 1. With imports from
mmengine, their code builds the same groups.

The option ``depths`` contains the number of blocks of each stage. In a stage, the fifth part of the dotted name is the
block index, also for ``post_norms``. The names of ``downsample`` and ``norm`` have no block index, so these modules get
the layer id of the first block of the next stage. The factor for offsets applies to names that contain
``sampling_offsets``, but not to the ``offset`` of DCNv3. In segmentation, queries of the decode head train at the
stem's lr.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors.beit_layer_decay import QUERIES
from lrdecay_cli.constructors.layer_names import Clause, at_stem, layers_by, stem_clause
from lrdecay_cli.constructors.named_layers import BIAS, FLAT, Factor, NamedDecay, naming
from lrdecay_cli.constructors.spec import ConstructorSpec
from lrdecay_cli.decay.families import BACKBONE_PREFIX, ClassNames
from lrdecay_cli.decay.families.interface import index_part
from lrdecay_cli.decay.options import DecayError, DecayOptions, finite_number
from lrdecay_cli.domain.provenance import Formula, by_name

_ROWS = ("levels", "layers")
_STARTS = tuple(f"{BACKBONE_PREFIX}{row}" for row in _ROWS)
_STAGES = 4
_BETWEEN = ("downsample", "norm")
_OFFSETS, _POINTS = "sampling_offsets", "reference_points"
_FACTOR = "offset_lr_scale"
_PATCHES = f"{BACKBONE_PREFIX}patch_embed"


def _layer_id(name: str, depths: tuple[int, ...]) -> Formula:
    parts = name.split(".")
    stage = index_part(name, parts, 2, "stage")
    between = parts[3:4] != [] and parts[3] in _BETWEEN
    # Every stage outside 0 to 2 counts as the last.
    stages_before = stage if stage in (0, 1, 2) else 3
    counted = min(stages_before + between, 3)
    if len(depths) < counted:
        fix = f"set depths to the number of blocks of each of the {_STAGES} stages"
        raise DecayError(f"depths has no value for stage {counted - 1}", where="paramwise_cfg.depths", fix=fix)
    summed, total = depths[:counted], sum(depths[:counted])
    stage_pattern = f"{BACKBONE_PREFIX}{parts[1]}.<stage>"
    if between:
        pattern, symbols = f"{stage_pattern}.{parts[3]}", " + ".join(("1", *map(str, summed)))
        return by_name(pattern, "1 + blocks_so_far", symbols, 1 + total, {"blocks_so_far": total})
    block = index_part(name, parts, 4, "block")
    symbols = " + ".join((f"{block} + 1", *map(str, summed)))
    inputs = {"block": block, "blocks_before": total}
    return by_name(f"{stage_pattern}.*.<block>", "block + 1 + blocks_before", symbols, block + 1 + total, inputs)


_BLOCKS = Clause(
    f"{BACKBONE_PREFIX}{{{','.join(_ROWS)}}}.<stage>.*.<block>",
    "block + 1 + blocks_before",
    lambda name: name.startswith(_STARTS),
    _layer_id,
)
_EXEMPT = (FLAT, BIAS, *map(naming, ("relative_position", "norm", _OFFSETS)))


def _remarks(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    if ".dcn.offset." in name and options.get(_FACTOR, 1.0) != 1:
        yield (
            f"{_FACTOR} has no effect here: it applies to names with {_OFFSETS!r}, but DCNv3 names its offsets 'offset'"
        )


def _factors(in_head: bool) -> Any:
    def factors(
        name: str, layer_id: int, scale: int | float, decay: DecayOptions, options: Mapping[str, Any]
    ) -> Iterator[Factor]:
        """Yield the factors by which the constructor multiplies the lr scale, in the constructor's order."""
        # It compares with True, so 1 matches too.
        if scale < 1 and options.get("backbone_small_lr", False) == True:  # noqa: E712
            yield Factor("0.1", 0.1, "backbone_small_lr=True, and the lr scale is below 1")
        if _OFFSETS not in name and _POINTS not in name:
            return
        part = _OFFSETS if _OFFSETS in name else _POINTS
        if layer_id == decay.num_layers + 1 and options.get("dino_head", False):
            yield Factor("0.1", 0.1, f"dino_head=True, the name contains {part!r}, and the layer id is the highest")
        elif in_head or "backbone" in name:
            value = finite_number(options.get(_FACTOR, 1.0), f"paramwise_cfg.{_FACTOR}")
            yield Factor(_FACTOR, value, f"the parameter name contains {part!r}")

    return factors


def _spec(short: str, stem: tuple[Clause, ...], in_head: bool) -> ConstructorSpec:
    levels = stem_clause("level_embeds", lambda name, part: part in name, "*level_embeds*")
    decay = NamedDecay(
        layers=(
            layers_by(
                (*stem, levels, _BLOCKS),
                ClassNames(("",), within=True),
                r"(?:levels|layers)\.(\d+)\.blocks\.(\d+)\.",
                _ROWS,
            ),
        ),
        exempt=_EXEMPT,
        rate_option="layer_decay_rate",
        factors=_factors(in_head),
        depths_option="depths",
        describe=_remarks,
    )
    return ConstructorSpec(
        name="CustomLayerDecayOptimizerConstructor",
        project="InternImage",
        package="",
        short=short,
        lr_from="layers",
        options=("layer_decay_rate", "num_layers", "depths", "backbone_small_lr", "dino_head", _FACTOR),
        rate_option="layer_decay_rate",
        num_layers="family",
        rest_is_head=True,
        exempting=(
            "exempt these parameters from weight decay in your own constructor: InternImage's constructor exempts only"
            " by name and dimensions"
        ),
        make_rules=decay.make_rules,
        raise_cause=decay.raise_cause,
    )


SPECS = (
    _spec("InternImage layer decay", at_stem(_PATCHES), in_head=True),
    _spec(
        "InternImage layer decay for segmentation",
        at_stem(_PATCHES, *QUERIES, f"{BACKBONE_PREFIX}cb_modules.0.patch_embed"),
        in_head=False,
    ),
)
"""If both specs give the numbers of a group map, the first one is used."""
