"""Which parameters have no weight decay, and why."""

from __future__ import annotations

import re
from collections.abc import Callable

from lrdecay_cli.decay.families.parts import is_position_embedding, is_token

Exemption = Callable[[str, tuple[int, ...], bool], str | None]
"""From name, shape and whether a norm layer registers the parameter to the reason; None if there is none."""

UNDECAYED_NAMES = ("pos_embed", "cls_token")
"""Whole parameter names. A token inside a backbone is named ``backbone.cls_token`` and decays like any other."""

# Swin and BEiT, ViTDet, LeViT.
_RELATIVE_POSITIONS = re.compile(r"(?:[a-z0-9]+_)*bias_table|rel_pos(?:_[a-z0-9]+)*|attention_biases", re.ASCII)
# Swin V2 computes its table with a small network.
_POSITION_NETWORK = "cpb_mlp"
_SCALES = re.compile(r"gamma(?:_?\d+)?|layer_scale(?:_\d+)?|logit_scale", re.ASCII)


def mmdet_exemption(name: str, shape: tuple[int, ...], norm: bool) -> str | None:
    """As mmdet 3.3.0 does it, in ``add_params`` of its decay constructor; norm layers by their shape."""
    if len(shape) == 1:
        return "1-D tensor"
    if name.endswith(".bias"):
        return "name ends in '.bias'"
    if name in UNDECAYED_NAMES:
        return f"name is {name!r}"
    return None


def exemption(name: str, shape: tuple[int, ...], norm: bool) -> str | None:
    """As it is meant: norm layers, biases, scalars, tokens, position embeddings and learned scales, wherever they are.

    Source: the ``no_weight_decay`` lists of BEiT, Swin, Swin V2, ViTDet and timm.
    """
    *modules, leaf = name.split(".")
    if norm:
        return "norm layer"
    if len(shape) <= 1:
        return "1-D tensor" if shape else "scalar"
    if leaf == "bias":
        return "bias"
    if is_token(leaf):
        return "token"
    if is_position_embedding(leaf):
        return "position embedding"
    if _RELATIVE_POSITIONS.fullmatch(leaf) or _POSITION_NETWORK in modules:
        return "relative position bias"
    if _SCALES.fullmatch(leaf):
        return "learned scale"
    return None
