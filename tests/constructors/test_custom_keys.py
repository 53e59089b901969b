"""Test which key applies to a parameter, by comparison with mmengine's and mmpretrain's own constructors."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from lrdecay_cli.constructors.recomputation import custom_key_matches
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit


@MODELS.register_module(force=True)
class KeyedModel(nn.Module):
    """A model with parameters of every type: one is frozen, one shared, one belongs to the model itself."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(nn.Linear(2, 2).weight.detach())
        self.backbone = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
        self.neck = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4))
        self.head = nn.Linear(4, 4)
        self.head.weight = self.backbone[0].weight
        self.stem = nn.Linear(2, 2).requires_grad_(False)


def audited(folder: Any, **paramwise_cfg: Any) -> GroupMap:
    optimizer = {"type": "AdamW", "lr": 1e-3, "weight_decay": 0.05}
    Config(
        {"model": {"type": "KeyedModel"}, "optim_wrapper": {"optimizer": optimizer, "paramwise_cfg": paramwise_cfg}}
    ).dump(str(folder / "config.py"))
    return audit(str(folder / "config.py"))


def test_longest_key_wins_and_switches_options_off(tmp_path: Any) -> None:
    keys = {"backbone": {"lr_mult": 0.1}, ".1": {"decay_mult": 0.0}, "head": {}, "stem": {}, "nowhere": {}}
    group_map = audited(tmp_path, custom_keys=keys, norm_decay_mult=0.0, bias_lr_mult=2.0, bypass_duplicate=True)
    found = custom_key_matches(group_map)
    assert [*found] == ["backbone", "nowhere", "head", "stem", ".1"]
    assert found["backbone"].wins == tuple(f"backbone.{i}.{own}" for i in (0, 1) for own in ("weight", "bias"))
    assert found[".1"].wins == ()
    assert found[".1"].overridden == {"backbone.1.weight": "backbone", "backbone.1.bias": "backbone"}
    assert found["backbone"].switches_off == {
        "bias_lr_mult": ("backbone.0.bias",),
        "norm_decay_mult": ("backbone.1.weight", "backbone.1.bias"),
    }
    assert found["head"].duplicates == ("head.weight",)
    assert found["stem"].frozen == ("stem.weight", "stem.bias")
    assert [key for key, matches in found.items() if matches.matches_nothing] == ["nowhere"]
    lrs = {parameter.name: group.lr for group, parameter in group_map.grouped()}
    assert {name for name, lr in lrs.items() if lr == 1e-3 * 0.1} == set(found["backbone"].wins)


@pytest.mark.parametrize(("key", "matched"), [(".pos_embed", 1), (".backbone", 0), ("pos_embed", 1), ("backbone.", 4)])
def test_dots_at_the_model_itself(tmp_path: Any, key: str, matched: int) -> None:
    """mmengine looks for keys in ``.pos_embed``, but in ``backbone.0.weight``: a leading dot matches no module."""
    group_map = audited(tmp_path, custom_keys={key: {"lr_mult": 0.5}}, bypass_duplicate=True)
    names = {parameter.name for group, parameter in group_map.grouped() if group.lr == 1e-3 * 0.5}
    assert len(names) == matched
    assert names == set(custom_key_matches(group_map)[key].wins)


def test_equal_length_is_resolved_alphabetically(tmp_path: Any) -> None:
    keys = {"weight": {"lr_mult": 0.5}, "kbone.": {"lr_mult": 0.1}}
    group_map = audited(tmp_path, custom_keys=keys, bypass_duplicate=True)
    found = custom_key_matches(group_map)
    assert found["weight"].overridden == {"backbone.0.weight": "kbone.", "backbone.1.weight": "kbone."}
    lrs = {parameter.name: group.lr for group, parameter in group_map.grouped()}
    for key, mult in (("weight", 0.5), ("kbone.", 0.1)):
        assert {lrs[name] for name in found[key].wins} == {1e-3 * mult}
