"""What a parameter is for, as far as weight decay cares: told from its module's traits and type, its name and shape."""

from __future__ import annotations

import math
import re
from typing import Literal

from lrdecay_cli.domain.training import Module

Kind = Literal["norm", "bias", "position", "relative-position", "token", "layer-scale"]
"""Kinds that are usually exempt from weight decay.

=================  =====================================================================================
kind               the parameter
=================  =====================================================================================
norm               is one of a normalisation layer, torch's or a custom one (RMSNorm, GRN)
bias               is a bias of any other layer
position           is an absolute position embedding
relative-position  is a table of relative position biases
token              is a learnable token: class, mask, register or distillation
layer-scale        is a gain per channel on a residual branch
=================  =====================================================================================
"""

NOUNS: dict[Kind, str] = {
    "norm": "normalisation tensor",
    "bias": "bias",
    "position": "position embedding",
    "relative-position": "relative position table",
    "token": "token",
    "layer-scale": "layer-scale gamma",
}

_NORM_TYPE = re.compile(r"(?i)norm|\bgrn\b|^(?:frozen)?bn(?:\d|$)|batch_?norm")
# "norm", "norm1", "post_norm", "ln_1", "bn3", "input_layernorm".
_NORM_LABEL = re.compile(r"(?i)^(?:[a-z0-9]*_)*(?:[a-z]*norm|ln|bn|gn|grn)\d*(?:_[a-z0-9]+)*$")
_NO_NORM_TYPE = re.compile(r"(?i)linear|conv|embed|attention|mlp|ffn|sequential|weightnorm|spectralnorm")
_NORM_OWN = {"weight", "bias", "gamma", "beta", "scale", "gain", "affine_weight", "affine_bias", "g", "b", "shift"}
_RELATIVE = re.compile(r"(?i)rel(?:ative)?_?(?:pos|coord)|attention_biases|attn_bias_table")
_POSITION = re.compile(r"(?i)(?:^|_)pos(?:ition(?:al)?)?_?(?:emb|enc|token)|^(?:row|col)_embed$|^pe$")
_TOKEN = re.compile(
    r"(?i)(?:^|_)(?:cls|class|mask|reg|register|dist|distill|storage|global|mem|meta)_?tokens?$|^tokens?$"
)
_CLASS_EMBEDDING = re.compile(r"(?i)^(?:class_embedding|cls_embed)$")
_LAYER_SCALE = re.compile(r"(?i)^(?:layer_?scale(?:_?\d+)?|ls_?\d*|gamma(?:_?\d+)?|lambda_?\d*)$")
_EMBEDDING_TYPE = re.compile(r"(?i)embedding|positional")


def kind_of(name: str, module: Module, shape: tuple[int, ...]) -> Kind | None:
    """The kind of a parameter, None for a weight like any other.

    Args:
        name: full name, from the model on.
        module: the one that registers it.
        shape: of the tensor.
    """
    path, _, own = name.rpartition(".")
    label = path.rpartition(".")[2]
    flat = math.prod(shape) == max(shape, default=1)
    if _is_norm(label, own, module, flat=flat):
        return "norm"
    if _RELATIVE.search(own) or (_RELATIVE.search(label) and _EMBEDDING_TYPE.search(module.type)):
        return "relative-position"
    if _is_position(path, label, own, module):
        return "position"
    if _TOKEN.search(own) or _CLASS_EMBEDDING.search(own):
        return "token"
    if flat and (_LAYER_SCALE.search(own) or re.search(r"(?i)layer_?scale", module.type)):
        return "layer-scale"
    if own == "bias" or (own.endswith("_bias") and len(shape) == 1):
        return "bias"
    return None


def _is_norm(label: str, own: str, module: Module, *, flat: bool) -> bool:
    if "norm" in module.traits:
        return True
    # One value for each channel, whatever dimensions of 1 stand around it: GRN's are (1, 1, 1, channels).
    if not flat or own.lower() not in _NORM_OWN:
        return False
    if _NO_NORM_TYPE.search(module.type):
        return False
    return bool(_NORM_TYPE.search(module.type) or _NORM_LABEL.match(label))


def _is_position(path: str, label: str, own: str, module: Module) -> bool:
    if _POSITION.search(own):
        return True
    # A module of its own must hold a table: a convolution or an MLP called pos_embed computes one.
    return own == "weight" and bool(
        _EMBEDDING_TYPE.search(module.type) and (_POSITION.search(label) or "positional_encoding" in path)
    )
