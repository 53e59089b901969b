"""Rule LRD404: tokens-decayed."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, all_vainly_exempt, decayed_faults, rule

_REGISTERS = """\
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class RegisterViT(VisionTransformer):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.reg_token = nn.Parameter(self.cls_token.detach().repeat(1, 4, 1))
"""
_MODEL = """\
model = dict(
    backbone=dict(_delete_=True, type='RegisterViT', img_size=32, patch_size=16,
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16)),
    head=dict(in_channels=8))
"""


@rule(
    "LRD404",
    "tokens-decayed",
    severity="warning",
    bad=Example(
        f"{_MODEL}optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, flat_decay_mult=0.0,\n"
        "        custom_keys=dict(cls_token=dict(decay_mult=0.0), pos_embed=dict(decay_mult=0.0))))",
        plugin=_REGISTERS,
    ),
    good=Example(
        f"{_MODEL}optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, flat_decay_mult=0.0,\n"
        "        custom_keys=dict(_token=dict(decay_mult=0.0), pos_embed=dict(decay_mult=0.0))))",
        plugin=_REGISTERS,
    ),
)
def tokens_decayed(context: RuleContext) -> Iterator[Fault]:
    """Learnable tokens are decayed like weights.

    A token is an input of the model and no weight, so weight decay shrinks what the attention layers are given to read.

    Told by name: class, mask, register (``reg_token``, ``register_tokens``), distillation, storage and global tokens.
    Lists of exemptions tend to name ``cls_token`` and to forget the tokens that came later. Queries of a detector are
    left alone, for its authors decay them.

    Reported where the config exempts anything from weight decay, and for AdamW and its kin from a weight decay of 0.01
    on.
    """
    # One fault for all tokens, but for those that LRD406 and LRD508 tell.
    left_out = {*context.switched_off, *all_vainly_exempt(context)}
    yield from decayed_faults(
        context, ["token"], strong="warning", partial="warning", beside_others="warning", leave_out=left_out
    )
