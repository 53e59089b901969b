"""mmpose's ``LayerDecayOptimWrapperConstructor`` for ViTPose: layer ids by ``backbone.layers.<block>``.

Source: mmpose 1.3.2, ``mmpose/engine/optim_wrappers/layer_decay_optim_wrapper.py``. The constructor accepts any
backbone class and exempts all position embeddings from weight decay. It ignores ``custom_keys``, although mmpose's
configs set them. It is in mmengine's own registry, so a config must not name it with the prefix ``mmpose.``.
"""

from __future__ import annotations

from lrdecay_cli.constructors.layer_names import row_of_blocks
from lrdecay_cli.constructors.named_layers import BIAS, FLAT, NamedDecay, naming
from lrdecay_cli.constructors.spec import ConstructorSpec
from lrdecay_cli.decay.families import ClassNames

_DECAY = NamedDecay(
    layers=(row_of_blocks("layers", ClassNames(("",), within=True)),),
    exempt=(FLAT, BIAS, naming("pos_embed")),
    rate_option="layer_decay_rate",
)

SPEC = ConstructorSpec(
    name="LayerDecayOptimWrapperConstructor",
    project="mmpose",
    package="mmpose",
    short="mmpose layer decay",
    lr_from="layers",
    options=("layer_decay_rate", "num_layers"),
    rate_option="layer_decay_rate",
    requires_options=True,
    num_layers="family",
    rest_is_head=True,
    exempting="exempt these parameters from weight decay in your own constructor:"
    " MMPose's constructor exempts only 1-D parameters and position embeddings",
    make_rules=_DECAY.make_rules,
    raise_cause=_DECAY.raise_cause,
)
