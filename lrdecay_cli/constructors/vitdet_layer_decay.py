"""ViTDet's ``LayerDecayOptimizerConstructor``. It is in mmdet's folder ``projects/``, which mmdet's wheel does not
contain.

Source: mmdet 3.3.0, ``projects/ViTDet/vitdet/layer_decay_optimizer_constructor.py``. The constructor accepts any
backbone class. Biases, and norms outside the blocks, have weight decay. The constructor logs ``decay_type`` but ignores
it.
"""

from __future__ import annotations

from lrdecay_cli.constructors.layer_names import Clause, layers_by, stem_clause
from lrdecay_cli.constructors.named_layers import Exempt, NamedDecay, naming
from lrdecay_cli.constructors.spec import ConstructorSpec
from lrdecay_cli.decay.families import ClassNames
from lrdecay_cli.decay.families.interface import index_part
from lrdecay_cli.domain.provenance import Formula, by_name

_BACKBONE = "backbone"


def _within(name: str, part: str) -> bool:
    return name.startswith(_BACKBONE) and part in name


def _layer_id(name: str, _depths: tuple[int, ...]) -> Formula:
    block = index_part(name, name.split("."), 2, "block")
    return by_name(_BLOCKS.pattern, "block + 1", f"{block} + 1", block + 1, {"block": block})


_BLOCKS = Clause("backbone.blocks.<block>", "block + 1", lambda name: _within(name, ".blocks."), _layer_id)
_STEM = tuple(stem_clause(part, _within, f"backbone*{part}*") for part in ("patch_embed", "pos_embed"))

_DECAY = NamedDecay(
    layers=(
        layers_by(
            (*_STEM, _BLOCKS),
            ClassNames(("",), within=True),
            r"blocks\.(\d+)\.",
            ("blocks",),
            ("layer_wise", "stage_wise"),
        ),
    ),
    exempt=(
        Exempt(
            "norm of a block",
            lambda name, shape: name.startswith("backbone.blocks") and "norm" in name,
            "have a name that starts with 'backbone.blocks' and contains 'norm'",
        ),
        naming("pos_embed"),
    ),
)

SPEC = ConstructorSpec(
    name="LayerDecayOptimizerConstructor",
    project="ViTDet",
    package="",
    short="ViTDet layer decay",
    marks=("vitdet",),
    lr_from="layers",
    options=("decay_rate", "num_layers", "decay_type"),
    rate_option="decay_rate",
    num_layers="family",
    rest_is_head=True,
    exempting=(
        "exempt these parameters from weight decay in your own constructor:"
        " ViTDet's constructor exempts only pos_embed and norms in blocks"
    ),
    make_rules=_DECAY.make_rules,
    raise_cause=_DECAY.raise_cause,
)
