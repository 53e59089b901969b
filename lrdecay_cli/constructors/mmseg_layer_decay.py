"""mmseg's ``LearningRateDecayOptimizerConstructor``, and the older ``LayerDecayOptimizerConstructor`` for BEiT.

Source: mmsegmentation 1.2.2, ``mmseg/engine/optimizers/layer_decay_optimizer_constructor.py``. ConvNeXt has the same
layer ids as in mmdet. The final norm of a transformer has the head's lr.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from lrdecay_cli.constructors.layer_names import row_of_blocks
from lrdecay_cli.constructors.mmdet_layer_decay import CONVNEXT, EXEMPT
from lrdecay_cli.constructors.named_layers import NamedDecay
from lrdecay_cli.constructors.spec import ConstructorSpec
from lrdecay_cli.decay.families import ClassNames
from lrdecay_cli.decay.parameter_kinds import UNDECAYED_NAMES, mmdet_exemption

_TRANSFORMERS = row_of_blocks("layers", ClassNames(("BEiT", "MAE"), within=True))
_DECAY = NamedDecay(layers=(CONVNEXT, _TRANSFORMERS), exempt=EXEMPT, exemption=mmdet_exemption)
_OLD_DECAY = replace(_DECAY, rate_option="layer_decay_rate")

SPEC = ConstructorSpec(
    name="LearningRateDecayOptimizerConstructor",
    project="mmseg",
    package="mmseg",
    scope="mmseg",
    short="mmseg layer decay",
    lr_from="layers",
    options=("decay_rate", "num_layers", "decay_type"),
    rate_option="decay_rate",
    num_layers="family",
    families=_DECAY.families,
    rest_is_head=True,
    exempt_names=UNDECAYED_NAMES,
    exempting="exempt these parameters from weight decay in your own constructor:"
    " MMSegmentation's constructor exempts only 1-D parameters",
    make_rules=_DECAY.make_rules,
    raise_cause=_DECAY.raise_cause,
)

OLD_SPEC = msgspec.structs.replace(
    SPEC,
    name="LayerDecayOptimizerConstructor",
    options=("layer_decay_rate", "num_layers"),
    rate_option="layer_decay_rate",
    requires_options=True,
    make_rules=_OLD_DECAY.make_rules,
    raise_cause=_OLD_DECAY.raise_cause,
)
