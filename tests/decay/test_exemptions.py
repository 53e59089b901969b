"""Parameters that lrdecay's own constructor exempts from weight decay, with the reason."""

from __future__ import annotations

import pytest

from lrdecay_cli.decay.parameter_kinds import exemption
from lrdecay_cli.domain.training import Module

MATRIX = (8, 8)


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        *(("head.weight", MATRIX, None), ("scale", (), "scalar"), ("head.bias", (8,), "1-D tensor")),
        *(("attn.bias", MATRIX, "bias"), ("bias.weight", MATRIX, None), ("attn.q_bias", MATRIX, None)),
        *(("backbone.cls_token", (1, 1, 8), "token"), ("register_tokens", (1, 4, 8), "token")),
        *(("cls_token.weight", MATRIX, None), ("tokenizer", MATRIX, None)),
        ("backbone.absolute_pos_embed", (1, 4, 8), "position embedding"),
        ("pos_embed.weight", MATRIX, None),
        *((f"attn.{leaf}", MATRIX, "relative position bias") for leaf in ("relative_position_bias_table", "rel_pos_h")),
        *(("attn.cpb_mlp.0.weight", MATRIX, "relative position bias"), ("cpb_mlp", MATRIX, None)),
        *(
            (f"block.{leaf}", (8, 1, 1), "learned scale")
            for leaf in ("gamma", "gamma_1", "layer_scale_2", "logit_scale")
        ),
        *(("block.gamma.weight", MATRIX, None), ("my_gamma", MATRIX, None)),
    ],
)
def test_why_a_parameter_is_exempt(name: str, shape: tuple[int, ...], reason: str | None) -> None:
    assert exemption(name, shape, None) == reason
    assert exemption(name, shape, Module("LayerNorm", ("norm",), ())) == "norm layer"
