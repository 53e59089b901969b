"""mmdet's ``LearningRateDecayOptimizerConstructor``: layer ids of ConvNeXt by name.

The constructor ignores ``custom_keys``, ``norm_decay_mult`` and similar options. Source: mmdet 3.3.0,
``mmdet/engine/optimizers/layer_decay_optimizer_constructor.py``. :class:`DecayRules` computes the lr and the weight
decay of each group.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.layer_names import TOKENS_PATTERN, LayerNames, describe_top
from lrdecay_cli.constructors.named_layers import BIAS, FLAT, Exempt, NamedDecay
from lrdecay_cli.constructors.spec import ConstructorSpec
from lrdecay_cli.decay.families import convnext
from lrdecay_cli.decay.options import DecayOptions
from lrdecay_cli.decay.parameter_kinds import UNDECAYED_NAMES, mmdet_exemption
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import FALLBACK
from lrdecay_cli.text.counting import either


def _never(tensor: Tensor) -> str:
    if tensor.own not in UNDECAYED_NAMES or tensor.seen in UNDECAYED_NAMES:
        return ""
    return (
        f"the constructor compares the full name {tensor.seen!r} with {_WHOLE_NAMES}, so no parameter of the backbone"
        " matches"
    )


_WHOLE_NAMES = either(map(repr, UNDECAYED_NAMES))
EXEMPT = (
    FLAT,
    BIAS,
    Exempt(
        f"name is {_WHOLE_NAMES}", lambda name, shape: name in UNDECAYED_NAMES, f"be named just {_WHOLE_NAMES}", _never
    ),
)


def _describe_layers(options: DecayOptions, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    num_layers = options.num_layers
    if options.decay_type == "layer_wise":
        fitting = convnext.FAMILY.fitting_num_layers(depths)
        yield from describe_top(num_layers, fitting, depths, layer_id)
        if num_layers > fitting and layer_id in (fitting - 1, num_layers):
            last = num_layers - 1
            unused = f"layer id {last} is unused" if fitting == last else f"layer ids {fitting} to {last} are unused"
            yield (
                f"{unused}: the blocks of stage 2 end at layer id {fitting - 1}, but the last stage has"
                f" layer id {num_layers}; num_layers={fitting} fits the depths {depths}"
            )
        return
    stages, below = len(depths), num_layers + 1 - len(depths)
    if stages and 0 <= layer_id <= stages and below != 1:
        yield (
            f"with stage_wise, the last stage has layer id {stages}, but with num_layers={num_layers}, the head has"
            f" layer id {num_layers + 1}; num_layers={stages} fits {stages} stages"
        )


CONVNEXT = LayerNames(
    family=convnext.FAMILY,
    heads=("downsample_layers", "stages"),
    patterns={
        "layer_wise": (
            TOKENS_PATTERN,
            ("backbone.downsample_layers.<stage>", "0, 2, 3, num_layers"),
            ("backbone.stages.<stage>.<block>", "1, 2, 3 + block // 3, num_layers"),
            (FALLBACK, "num_layers + 1"),
        ),
        "stage_wise": (
            TOKENS_PATTERN,
            ("backbone.downsample_layers", "0"),
            ("backbone.stages.<stage>", "stage + 1"),
            (FALLBACK, "(num_layers + 2) - 1"),
        ),
    },
    describe_layers=_describe_layers,
)

_DECAY = NamedDecay(layers=(CONVNEXT,), exempt=EXEMPT, exemption=mmdet_exemption)

SPEC = ConstructorSpec(
    name="LearningRateDecayOptimizerConstructor",
    project="mmdet",
    package="mmdet",
    scope="mmdet",
    short="mmdet layer decay",
    lr_from="layers",
    options=("decay_rate", "num_layers", "decay_type"),
    rate_option="decay_rate",
    num_layers="family",
    families=_DECAY.families,
    first_stage_is_a_layer=True,
    rest_is_head=True,
    exempt_names=UNDECAYED_NAMES,
    exempting="exempt these parameters from weight decay in your own constructor:"
    " MMDetection's constructor exempts only 1-D parameters",
    make_rules=_DECAY.make_rules,
    raise_cause=_DECAY.raise_cause,
)
