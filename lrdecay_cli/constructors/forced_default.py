"""``ForceDefaultOptimWrapperConstructor`` of mmpose and mmseg: mmengine's default, whose multipliers may overrule keys.

Source: mmpose 1.3.2, ``mmpose/engine/optim_wrappers/force_default_constructor.py``, and mmsegmentation 1.2.2,
``mmseg/engine/optimizers/force_default_constructor.py``, which is the same. With ``force_default_settings=True`` a
multiplier that fits counts even where a custom key matches; the key keeps what no multiplier sets.
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
    custom_keys=CustomKeys(targets=("lr", "weight_decay"), dot_before_own=True, overruled_by=_FORCE),
)
MMSEG_SPEC = replace(MMPOSE_SPEC, project="mmseg", package="mmseg", scope="mmseg")
