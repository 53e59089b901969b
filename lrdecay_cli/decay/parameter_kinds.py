"""Classify the parameters that are usually exempt from weight decay, by name, module and shape.

lrdecay's own constructor, the rules and ``suggest`` use this classification. ``tests/decay/parameter_kinds.csv`` lists
parameters of published models, each with its kind and the source.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Literal

from lrdecay_cli.domain.training import Module

Kind = Literal[
    "norm", "bias", "position", "relative-position", "position-network", "token", "query", "layer-scale", "scale"
]
"""Kinds of parameters that are usually exempt from weight decay.

=================  ========================================================================================
kind               the parameter
=================  ========================================================================================
norm               belongs to a normalisation layer, torch's or a custom one (RMSNorm, GRN)
bias               is the bias of any other layer
position           is an absolute position embedding
relative-position  is a table of relative position biases
position-network   belongs to a small network that computes relative position biases (Swin V2's ``cpb_mlp``)
token              is a learnable token: class, mask, register or distillation
query              is a learned query, object or level embedding of a decoder
layer-scale        is a gain per channel on a residual branch
scale              is a learned factor of logits or of an attention, at most one for each attention head
=================  ========================================================================================

If published lists of exempt parameters disagree, the majority decides. Mask2Former's lists (mmdet, mmseg and its own)
contain query and level embeddings; Grounding DINO's lists do not. The lists of Swin V2, timm and OpenCLIP contain
``logit_scale``; mmpretrain's list does not. No list contains the ``temperature`` of each attention head in XCiT
and EdgeNeXt.
"""

# Class names: with the suffix, every parameter is a norm; with "norm" inside, only parameters that norms usually have.
_NORM_CLASS = re.compile(r"\w*Norm(?:\dd)?|GRN", re.ASCII)
_NORM_TYPE = re.compile(r"(?i)norm|\bgrn\b|^(?:frozen)?bn(?:\d|$)|batch_?norm")
_NO_NORM_TYPE = re.compile(r"(?i)linear|conv|embed|attention|mlp|ffn|sequential|weightnorm|spectralnorm")
# "norm", "norm1", "post_norm", "ln_1", "bn3", "input_layernorm".
_NORM_LABEL = re.compile(r"(?i)^(?:[a-z0-9]*_)*(?:[a-z]*norm|ln|bn|gn|grn)\d*(?:_[a-z0-9]+)*$")
_NORM_OWN = {"weight", "bias", "gamma", "beta", "scale", "gain", "affine_weight", "affine_bias", "g", "b", "shift"}
_RELATIVE = re.compile(r"(?i)rel(?:ative)?_?(?:pos|coord)|attention_biases|(?:^|_)bias_table$")
_POSITION_NETWORK = "cpb_mlp"
# pos_embed, absolute_pos_embed, positional_embedding, row_embed; TNT's patch_pos and pixel_pos.
_POSITION = re.compile(
    r"(?i)(?:^|_)pos(?:ition(?:al)?)?_?(?:emb|enc|token)|^(?:row|col)_embed$|^(?:patch|pixel|abs)_pos$|^pe$"
)
# cls_token, reg_token, register_tokens, CrossViT's cls_token_0; CLIP's class_embedding, Segmenter's cls_emb.
_TOKEN = re.compile(r"(?i)(?:^|_)tokens?(?:_?\d+)?$|^(?:class_embedding|cls_emb(?:ed)?)$")
_QUERY = re.compile(
    r"(?i)(?:^|_)(?:query|queries)(?:_(?:embed(?:ding)?s?|feats?|tokens?|pos))?$|^level_embeds?$"
    r"|^(?:tgt|refpoint)_embed$|^init_proposal_(?:bboxes|features)$"
)
_LAYER_SCALE = re.compile(r"(?i)^(?:layer_?scale(?:_?\d+)?|ls_?\d*|gamma(?:_?(?:\d+|xca|csa))?|lambda_?\d*)$")
_LAYER_SCALE_MODULE = re.compile(r"(?i)layer_?scale")
_SCALE = re.compile(r"(?i)^logit_scale$")
_SCALAR_SCALE = re.compile(r"(?i)^(?:scale|log_scale|(?:logit_)?temp(?:erature)?|skipinit_gain)$")
_EMBEDDING_TYPE = re.compile(r"(?i)embedding|positional")


def kind_of(name: str, module: Module | None, shape: tuple[int, ...]) -> Kind | None:
    """Return the kind of a parameter; None for an ordinary weight, such as the weight of a convolution.

    Args:
        name: full name of the parameter in the model.
        module: the module that registers the parameter; None if only the name is known, as in a checkpoint.
        shape: shape of the tensor.
    """
    path, _, own = name.rpartition(".")
    label = path.rpartition(".")[2]
    type_name = module.type if module else ""
    if type_name == "ParameterList":
        own = label
    table = label if own == "weight" and _EMBEDDING_TYPE.search(type_name) else ""
    # One value per channel or head, with any dimensions of size 1 around it: GRN's are (1, 1, 1, channels).
    flat = math.prod(shape) == max(shape, default=1)
    if (module and "norm" in module.traits) or (flat and _is_norm(label, own, type_name)):
        return "norm"
    if _POSITION_NETWORK in path.split("."):
        return "bias" if own == "bias" else "position-network"
    if _RELATIVE.search(own) or _RELATIVE.search(table):
        return "relative-position"
    # A module must hold a table: a convolution or an MLP called pos_embed computes positions.
    if _POSITION.search(own) or _POSITION.search(table) or (table and "positional_encoding" in path):
        return "position"
    if _QUERY.search(own) or _QUERY.search(table):
        return "query"
    if _TOKEN.search(own):
        return "token"
    if flat and (_LAYER_SCALE.search(own) or _LAYER_SCALE_MODULE.search(type_name)):
        return "layer-scale"
    if (flat and _SCALE.search(own)) or (math.prod(shape) == 1 and _SCALAR_SCALE.search(own)):
        return "scale"
    if own == "bias" or (own.endswith("_bias") and len(shape) == 1):
        return "bias"
    return None


def _is_norm(label: str, own: str, type_name: str) -> bool:
    if _NO_NORM_TYPE.search(type_name):
        return False
    if _NORM_CLASS.fullmatch(type_name):
        return True
    return own.lower() in _NORM_OWN and bool(_NORM_TYPE.search(type_name) or _NORM_LABEL.match(label))


_NEW = re.compile(
    r"(?i)(?:^|_)(?:adapters?|prompts?|prompt_?tokens?|lora|spm|interactions?|injectors?|extractors?|fpn|side|ladder"
    r"|query|queries|level_embeds?)(?:_|\d|$)|^up\d*$"
)


def is_new_beside(own: str) -> bool:
    """True if the name of a parameter or module shows that it was added to a pretrained backbone.

    Added parts are adapters (ViT-Adapter's ``spm``, ``interactions``, ``up`` and ``level_embed``), prompts, low-rank
    updates, pyramids and queries. They are newly initialised, so they should train with the head.
    """
    return bool(_NEW.search(own.partition(".")[0]))


Exemption = Callable[[str, tuple[int, ...], "Module | None"], "str | None"]
"""A function that returns why a parameter is exempt from weight decay; None if the parameter is not exempt.

Arguments: name, shape and module of the parameter.
"""

UNDECAYED_NAMES = ("pos_embed", "cls_token")
"""Full parameter names that mmdet exempts from weight decay. A token inside a backbone is named
``backbone.cls_token``, so mmdet does not exempt this token.
"""

_REASONS: dict[Kind, str] = {
    "norm": "norm layer",
    "bias": "bias",
    "token": "token",
    "query": "query",
    "position": "position embedding",
    "relative-position": "relative position bias",
    "position-network": "relative position bias",
    "layer-scale": "learned scale",
    "scale": "learned scale",
}


def mmdet_exemption(name: str, shape: tuple[int, ...], module: Module | None) -> str | None:
    """Return the reason why mmdet exempts a parameter from weight decay; None if mmdet does not exempt it.

    Source: mmdet 3.3.0, ``add_params`` of its layer-decay constructor, which recognises norm layers by the shape of
    their parameters.
    """
    if len(shape) == 1:
        return "1-D tensor"
    if name.endswith(".bias"):
        return "name ends in '.bias'"
    if name in UNDECAYED_NAMES:
        return f"name is {name!r}"
    return None


def exemption(name: str, shape: tuple[int, ...], module: Module | None) -> str | None:
    """Return the reason why lrdecay's constructor exempts a parameter from weight decay; None without an exemption.

    The constructor exempts 1-D tensors, scalars, and every parameter for which :func:`kind_of` returns a kind.
    """
    kind = kind_of(name, module, shape)
    if kind != "norm" and len(shape) <= 1:
        return "1-D tensor" if shape else "scalar"
    return _REASONS[kind] if kind else None
