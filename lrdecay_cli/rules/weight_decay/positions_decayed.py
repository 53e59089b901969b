"""Rule LRD403: positions-decayed."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, all_vainly_exempt, decayed_faults, rule

_VIT = """\
model = dict(
    backbone=dict(_delete_=True, type='VisionTransformer', img_size=32, patch_size=16,
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16)),
    head=dict(in_channels=8))
"""


@rule(
    "LRD403",
    "positions-decayed",
    severity="warning",
    bad=Example(
        f"{_VIT}optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, flat_decay_mult=0.0, custom_keys=dict(cls_token=dict(decay_mult=0.0))))"
    ),
    good=Example(
        f"{_VIT}optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, flat_decay_mult=0.0,\n"
        "        custom_keys=dict(cls_token=dict(decay_mult=0.0), pos_embed=dict(decay_mult=0.0))))"
    ),
)
def positions_decayed(context: RuleContext) -> Iterator[Fault]:
    """Position embeddings or relative position tables are decayed like weights.

    They are looked up and never multiplied with an input, so weight decay does not regularise them but wears them away.

    Absolute embeddings are told by name (``pos_embed``, ``position_embeddings``) or as an embedding inside a positional
    encoding; tables of relative positions by names such as ``relative_position_bias_table`` and ``rel_pos_h``. A module
    that computes positions (a convolution called ``pos_embed``) is left alone.

    Reported where the config exempts anything from weight decay, and for AdamW and its kin from a weight decay of 0.01
    on.
    """
    # One fault each for absolute embeddings and for relative tables, but for those that LRD406 and LRD508 tell.
    left_out = {*context.switched_off, *all_vainly_exempt(context)}
    yield from decayed_faults(
        context,
        ["position", "relative-position"],
        strong="warning",
        partial="warning",
        beside_others="warning",
        leave_out=left_out,
    )
