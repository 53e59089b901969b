"""Kinds of parameters in real modules: of torch, mmpretrain and mmdet, and modules as users write them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from mmdet.models.layers.positional_encoding import LearnedPositionalEncoding
from mmpretrain.models.utils import GRN, LayerNorm2d, LayerScale
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from lrdecay_cli.decay.families.interface import with_the_stem
from lrdecay_cli.decay.parameter_kinds import exemption, kind_of
from lrdecay_cli.openmmlab.model_modules import modules_of
from tests.decay.kinds_table import IDS, ROWS, Row
from tests.decay.published import parameters_of


class RMSNorm(nn.Module):
    def __init__(self, own: str = "weight", shape: tuple[int, ...] = (4,)) -> None:
        super().__init__()
        self.register_parameter(own, nn.Parameter(torch.empty(shape)))


class Scaling(RMSNorm):
    """A similar module, but only its position in the model shows its kind."""


class AffineLayer(nn.Module):
    """A batch norm with fixed statistics and its own parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, 4, 1, 1))
        self.bias = nn.Parameter(torch.empty(1, 4, 1, 1))


class Block(nn.Module):
    def __init__(self, **inner: nn.Module | tuple[int, ...]) -> None:
        super().__init__()
        for name, one in inner.items():
            if isinstance(one, nn.Module):
                self.add_module(name, one)
            else:
                self.register_parameter(name, nn.Parameter(torch.empty(one)))


CASES: dict[str, tuple[nn.Module, Mapping[str, str | None]]] = {
    "torch's norms": (
        Block(a=nn.BatchNorm2d(4), b=nn.GroupNorm(2, 4), c=nn.LayerNorm((4, 4))),
        {f"{module}.{own}": "norm" for module in "abc" for own in ("weight", "bias")},
    ),
    "mmpretrain's norms": (
        Block(a=LayerNorm2d(4), b=GRN(4)),
        {"a.weight": "norm", "a.bias": "norm", "b.gamma": "norm", "b.beta": "norm"},
    ),
    "norms by type": (
        Block(a=RMSNorm(), b=RMSNorm("scale"), c=RMSNorm("gamma", (1, 4, 1, 1))),
        {"a.weight": "norm", "b.scale": "norm", "c.gamma": "norm"},
    ),
    "norms by name": (
        Block(norm1=Scaling(), post_norm=Scaling(), ln_2=Scaling(), input_layernorm=Scaling(), bn3=AffineLayer()),
        {
            "norm1.weight": "norm",
            "post_norm.weight": "norm",
            "ln_2.weight": "norm",
            "input_layernorm.weight": "norm",
            "bn3.weight": "norm",
            "bn3.bias": "norm",
        },
    ),
    "no norms": (
        Block(
            norm_proj=nn.Linear(4, 4), scaled=Scaling(), normal=weight_norm(nn.Linear(4, 4)), norm=nn.Conv2d(4, 4, 1)
        ),
        {
            "norm_proj.weight": None,
            "norm_proj.bias": "bias",
            "scaled.weight": None,
            "normal.bias": "bias",
            "normal.parametrizations.weight.original0": None,
            "normal.parametrizations.weight.original1": None,
            "norm.weight": None,
            "norm.bias": "bias",
        },
    ),
    "attention": (
        nn.MultiheadAttention(4, 2, kdim=3, vdim=3),
        {
            "q_proj_weight": None,
            "k_proj_weight": None,
            "v_proj_weight": None,
            "in_proj_bias": "bias",
            "out_proj.weight": None,
            "out_proj.bias": "bias",
        },
    ),
    "positions": (
        Block(
            pos_embed=(1, 9, 4),
            position_embeddings=nn.Embedding(9, 4),
            decoder_pos_embed=(1, 9, 4),
            positional_encoding=LearnedPositionalEncoding(4),
        ),
        {
            "pos_embed": "position",
            "position_embeddings.weight": "position",
            "decoder_pos_embed": "position",
            "positional_encoding.row_embed.weight": "position",
            "positional_encoding.col_embed.weight": "position",
        },
    ),
    "modules that compute positions": (
        Block(pos_embed=nn.Conv2d(4, 4, 3, groups=4), pos_embed_head=nn.Linear(4, 4)),
        {
            "pos_embed.weight": None,
            "pos_embed.bias": "bias",
            "pos_embed_head.weight": None,
            "pos_embed_head.bias": "bias",
        },
    ),
    "relative positions": (
        Block(relative_position_bias_table=(49, 2), rel_pos_h=(9, 4), rel_pos_w=(9, 4), attention_biases=(2, 9)),
        dict.fromkeys(
            ("relative_position_bias_table", "rel_pos_h", "rel_pos_w", "attention_biases"), "relative-position"
        ),
    ),
    "tokens": (
        Block(
            cls_token=(1, 1, 4), mask_token=(4,), reg_token=(1, 4, 4), register_tokens=(1, 4, 4), dist_token=(1, 1, 4)
        ),
        dict.fromkeys(("cls_token", "mask_token", "reg_token", "register_tokens", "dist_token"), "token"),
    ),
    "layer scale": (
        Block(gamma=(4,), gamma_1=(4,), layer_scale=(4, 1, 1), ls1=LayerScale(4)),
        {"gamma": "layer-scale", "gamma_1": "layer-scale", "layer_scale": "layer-scale", "ls1.weight": "layer-scale"},
    ),
    "queries and scales": (
        Block(query_embedding=nn.Embedding(9, 4), level_embed=(4, 4), query_tokens=(1, 9, 4), logit_scale=()),
        {"query_embedding.weight": "query", "level_embed": "query", "query_tokens": "query", "logit_scale": "scale"},
    ),
    "others": (
        Block(word_embeddings=nn.Embedding(9, 4), query=nn.Linear(4, 4), query_proj=(4, 4)),
        {"word_embeddings.weight": None, "query.weight": None, "query.bias": "bias", "query_proj": None},
    ),
}


@pytest.mark.parametrize(("model", "expected"), CASES.values(), ids=CASES)
def test_kinds(model: nn.Module, expected: Mapping[str, str | None]) -> None:
    modules = modules_of(model)
    found = {
        name: kind_of(name, modules[name.rpartition(".")[0]], tuple(parameter.shape))
        for name, parameter in model.named_parameters()
    }
    assert found == expected


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_kind_and_exemption_of_published_parameters(row: Row) -> None:
    assert kind_of(row.name, row.module, row.sizes) == (row.kind or None)
    assert (exemption(row.name, row.sizes, row.module) is not None) == (row.exempt == "yes")


@pytest.mark.parametrize("source", sorted({row.source for row in ROWS if "::" in row.source}))
def test_the_table_lists_published_models(source: str) -> None:
    published = parameters_of(source)
    for row in (row for row in ROWS if row.source == source):
        found = published[row.name]
        assert (found.module.type, found.module.traits, found.shape) == (row.type, row.module.traits, row.sizes)
        assert found.exempt == (row.published == "yes")


def test_the_table_states_why_it_differs_from_a_source() -> None:
    assert len({row.name for row in ROWS}) >= 60
    for row in ROWS:
        assert (row.exempt != row.published) == bool(row.reason), row


@pytest.mark.parametrize("row", [row for row in ROWS if row.slow], ids=lambda row: row.name)
def test_parameters_with_the_stems_id(row: Row) -> None:
    own = row.name.removeprefix("backbone.")
    assert (with_the_stem(f"backbone.{own}", "backbone.") is not None) == (row.slow == "yes")
    assert with_the_stem(f"neck.{own}", "backbone.") is None
