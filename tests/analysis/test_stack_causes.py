"""Options that differ between two configs: setting them in one config gives the other, as mmengine reads both."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.analysis.comparing.stack_causes import differing_options
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.config_file import load_config, resolved_values, set_options

LAZY = """
from mmengine.config import read_base
from torch.optim import {optimizer}
from mmdet.models import ResNet, {head}
with read_base():
    from .base import *
model.update(dict(type=ResNet, heads=[dict(type={head}, classes={classes})], {more}))
optim_wrapper = dict(optimizer=dict(type={optimizer}, lr=0.1))
"""
PAIRS = [
    # Other types, keys on one side only, lists of mappings of equal and of different lengths.
    ("mmdet::cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py", "mmdet::htc/htc_r50_fpn_1x_coco.py"),
    ("mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py", "mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py"),  # noqa: E501
    ("lazy/first.py", "lazy/second.py"),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: Path(pair[0]).stem)
@pytest.mark.parametrize("turned", [False, True])
def test_options_of_one_config_make_the_other_that_one(
    pair: tuple[str, str], turned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lazy").mkdir()
    (tmp_path / "lazy/base.py").write_text("model = dict(depth=50, stages=dict(a=1, b=[2, 3]))\n")
    first = LAZY.format(optimizer="SGD", head="FCNMaskHead", classes=3, more="depth=101")
    (tmp_path / "lazy/first.py").write_text(first)
    second = LAZY.format(optimizer="AdamW", head="HTCMaskHead", classes=4, more="width=2, stages=dict(a=2, c=4)")
    (tmp_path / "lazy/second.py").write_text(second)
    monkeypatch.chdir(tmp_path)
    wanted, changed = (load_config(name, {}) for name in (reversed(pair) if turned else pair))
    values, others = resolved_values(wanted), resolved_values(changed)
    options = differing_options(values, others, {**values, **others})
    assert len(options) >= 5
    assert all(option.before != option.after or option.in_before != option.in_after for option in options)
    set_options(changed, [(option.path, option.before, not option.in_before) for option in options])
    assert resolved_values(changed) == values


def test_an_option_without_a_place_is_an_error() -> None:
    config = load_config(PAIRS[0][0], {})
    with pytest.raises(LrdecayError, match=r"^model\.nowhere\.depth: the config has no option with this path$"):
        set_options(config, [(("model", "nowhere", "depth"), 1, False)])


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ([dict(a=1), dict(a=2)], [dict(a=1), dict(a=3)], {"x[1].a": (2, 3)}),
        ([1, 2], [1, 3], {"x": ([1, 2], [1, 3])}),
        ([dict(a=1)], [dict(a=1), dict(a=2)], {"x": ([dict(a=1)], [dict(a=1), dict(a=2)])}),
        (dict(type="A", a=1), dict(type="B", a=1), {"x": (dict(type="A", a=1), dict(type="B", a=1))}),
        (dict(type="A", a=None), dict(type="A"), {"x.a": (None, None)}),
        (1, True, {"x": (1, True)}),
        (dict(a=[]), dict(a=[]), {}),
    ],
)
def test_differing_options(before: object, after: object, named: dict[str, tuple[object, object]]) -> None:
    options = differing_options({"x": before, "y": 1}, {"x": after, "y": 2}, ["x"])
    assert {option.name: (option.before, option.after) for option in options} == named
