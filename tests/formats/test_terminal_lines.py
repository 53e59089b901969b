"""Findings on a narrow terminal: no text is lost, no line is too wide, and no name is broken."""

from __future__ import annotations

import re

import pytest

from lrdecay_cli.domain.report import Item, Report, Section
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.rich_terminal import render

PATTERN = "*.{depthwise_conv,pointwise_conv1,pointwise_conv2,relative_position_bias_table}.bias"
FIX = (
    "in place of it: "
    "optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1,decay_mult=0.25))))"
)
OPTION = "optim_wrapper.paramwise_cfg.custom_keys['backbone.downsample_layers.0.0']"
ITEM = Item("warning", "LRD402 biases-decayed", FIX, (PATTERN,), (("option", OPTION), ("fix", FIX)))


@pytest.mark.parametrize("width", [80, 60, 46])
def test_long_words_are_broken_where_a_name_ends(width: int) -> None:
    report = Report((), (), (), "1 warning", sections=(Section("config.py", (ITEM,)),))
    text = render(report, Canvas(color=False, width=width))
    assert max(map(len, text.splitlines())) <= width
    joined = "".join(text.split())
    for whole in (PATTERN, FIX, OPTION):
        assert "".join(whole.split()) in joined
        for name in re.findall(r"0\.25|[a-z_]+", whole):
            assert name in text
