"""``ForceDefaultOptimWrapperConstructor`` of mmpose and mmseg: mmengine's default constructor with one more option.

Source: mmpose 1.3.2, ``mmpose/engine/optim_wrappers/force_default_constructor.py``, and mmsegmentation 1.2.2,
``mmseg/engine/optimizers/force_default_constructor.py``, with the same code. With ``force_default_settings=True``, a
matching multiplier such as ``norm_decay_mult`` overrides the same value of a matching custom key. All other values of
the key apply.
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
