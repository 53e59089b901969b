"""mmaction's ``LearningRateDecayOptimizerConstructor``: layer ids of MViT and VideoMAE by ``backbone.blocks.<block>``.

Source: mmaction2 1.2.0, ``mmaction/engine/optimizers/layer_decay_optim_wrapper_constructor.py``. The constructor
rejects models with batch norms. It does not exempt tokens from weight decay.
"""

from __future__ import annotations

from lrdecay_cli.constructors.layer_names import row_of_blocks
from lrdecay_cli.constructors.named_layers import BIAS, FLAT, NamedDecay
from lrdecay_cli.constructors.spec import ConstructorSpec
from lrdecay_cli.decay.families import ClassNames

_DECAY = NamedDecay(
    layers=(row_of_blocks("blocks", ClassNames(("MViT", "VisionTransformer"), within=True)),), exempt=(FLAT, BIAS)
)

SPEC = ConstructorSpec(
    name="LearningRateDecayOptimizerConstructor",
    project="mmaction",
    package="mmaction",
    scope="mmaction",
    short="mmaction layer decay",
    lr_from="layers",
    options=("decay_rate", "num_layers", "decay_type"),
    rate_option="decay_rate",
    num_layers="family",
    families=_DECAY.families,
    rest_is_head=True,
    exempting=(
        "exempt these parameters from weight decay in your own constructor: MMAction2's constructor exempts only 1-D"
        " parameters"
    ),
    make_rules=_DECAY.make_rules,
    raise_cause=_DECAY.raise_cause,
)
