"""``ForceDefaultOptimWrapperConstructor`` of mmpose and mmseg: mmengine's default constructor with one more option.

Source: mmpose 1.3.2, ``mmpose/engine/optim_wrappers/force_default_constructor.py``, and mmsegmentation 1.2.2,
``mmseg/engine/optimizers/force_default_constructor.py``, with the same code. With ``force_default_settings=True``, a
multiplier overrides the corresponding value of a custom key. For example, in a norm layer ``norm_decay_mult`` overrides
the ``decay_mult`` of the key, but the ``lr_mult`` of the key still applies.
"""

from __future__ import annotations

from msgspec.structs import replace

from lrdecay_cli.constructors import mmengine_default
from lrdecay_cli.constructors.spec import CustomKeys

_FORCE = "force_default_settings"

MMPOSE_SPEC = replace(
    mmengine_default.SPEC,
    name="ForceDefaultOptimWrapperConstructor",
    project="mmpose",
    package="mmpose",
    scope="mmpose",
    short="forced default",
    options=(*mmengine_default.SPEC.options, _FORCE),
    custom_keys=CustomKeys(targets=("lr", "weight_decay"), dot_before_own=True, override_option=_FORCE),
)
MMSEG_SPEC = replace(MMPOSE_SPEC, project="mmseg", package="mmseg", scope="mmseg")
