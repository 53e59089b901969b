"""Rule LRD402: biases-decayed."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, decayed_faults, rule


@rule(
    "LRD402",
    "biases-decayed",
    severity="warning",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, custom_keys=dict(gamma=dict(decay_mult=0.0))))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, flat_decay_mult=0.0))"
    ),
)
def biases_decayed(context: RuleContext) -> Iterator[Fault]:
    """Biases are decayed like weights.

    A bias has no say in how large a layer's response to its input is, so decaying it only shifts the layer's mean.

    ``bias_decay_mult`` reaches parameters that are called ``bias`` and nothing else: not the ``in_proj_bias`` of an
    attention layer, and never those that compute the offsets of a deformable convolution. ``flat_decay_mult`` reaches
    all 1-D parameters. Where some biases are exempt and others are not it is a warning. That AdamW and its kin decay
    all of them alike, by 0.01 or more, is a habit of many configs, and no more than an info.
    """
    # One fault for all biases but those of norms and of offsets.
    offsets = [name for name in context.kinds if (module := context.module(name)) and "offset" in module.traits]
    left_out = {*context.switched_off, *offsets}
    yield from decayed_faults(context, ["bias"], strong="info", partial="warning", leave_out=left_out)
