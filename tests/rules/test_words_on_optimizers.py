"""Texts about optimizers without weight decay, and about optimizers that deviate from their groups.

``tests/optimizers`` measures the optimizers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lrdecay_cli.analysis.explaining.reasons import EXACT, Explainer
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.registry import BASE
from lrdecay_cli.rules.running import findings_of

PLUGIN = """\
import torch
from mmengine.registry import OPTIMIZERS

@OPTIMIZERS.register_module(force=True)
class DeafToDecay(torch.optim.Rprop):
    def __init__(self, params, lr=0.01, weight_decay=0.0):
        super().__init__(params, lr=lr)
        for group in self.param_groups:
            group.setdefault('weight_decay', weight_decay)

@OPTIMIZERS.register_module(force=True)
class FirstLr(torch.optim.AdamW):
    def step(self, closure=None):
        lrs = [group['lr'] for group in self.param_groups]
        for group in self.param_groups:
            group['lr'] = lrs[0]
        super().step(closure)
        for group, lr in zip(self.param_groups, lrs):
            group['lr'] = lr
"""
DEFAULT = "constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict(_delete_=True{})"
FROZEN = DEFAULT.format(", custom_keys=dict(backbone={})")
FIRST = "trains every group at the first group's lr (LRD802)"
AT_ZERO = "trains this group although its lr is 0 (LRD804)"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "base.py").write_text(f"{BASE}custom_imports = dict(imports='words_on_optimizers_plugin')\n")
    (tmp_path / "words_on_optimizers_plugin.py").write_text(PLUGIN)

    def built(optimizer: str, further: str = "") -> GroupMap:
        config = tmp_path / "config.py"
        config.write_text(
            f"_base_ = 'base.py'\noptim_wrapper = dict(optimizer=dict(_delete_=True, {optimizer}), {further})\n"
        )
        return audit(str(config))

    return built


def texts_of(group_map: GroupMap) -> dict[str, str]:
    return {finding.code: f"{finding.message}; {finding.fix}" for finding in findings_of(group_map, RULES)}


@pytest.mark.parametrize(
    ("optimizer", "missing"),
    [
        ("type='Rprop', lr=1e-2", False),
        ("type='SparseAdam', lr=1e-2", False),
        ("type='AdamW', lr=1e-4", True),
        ("type='Adadelta', lr=1e-4", True),
    ],
)
def test_a_weight_decay_is_missing_only_where_the_optimizer_has_one(build, optimizer: str, missing: bool) -> None:
    group_map = build(optimizer)
    assert {group.weight_decay for group in group_map.groups} == {None, 0.0}
    assert ("LRD408" in texts_of(group_map)) is missing
    # Behaviour of the optimizer itself: it raises for a group with a weight decay of None, or never reads it.
    kind = getattr(torch.optim, group_map.optimizer.type)
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    parameter.grad = torch.ones(2, 2).to_sparse() if kind is torch.optim.SparseAdam else torch.ones(2, 2)
    stepper = kind([dict(params=[parameter], weight_decay=None)], lr=0.1)
    if missing:
        with pytest.raises(TypeError):
            stepper.step()
    else:
        stepper.step()


def test_no_rule_speaks_of_a_weight_decay_that_is_ignored(build) -> None:
    """Every norm and bias has a weight decay in its group, but the optimizer decays none of them."""
    decay = "type='{}', lr=1e-3, weight_decay=0.05"
    ignored, used = (texts_of(build(decay.format(kind), DEFAULT.format(""))) for kind in ("DeafToDecay", "AdamW"))
    assert "LRD803" in ignored
    assert [code for code in ignored if code.startswith("LRD4")] == []
    assert [code for code in used if code.startswith("LRD4")] != []


@pytest.mark.parametrize(
    ("optimizer", "fix"),
    [
        ("type='Rprop', lr=1e-2", "remove it: Rprop does not support weight decay"),
        ("type='AdamW', lr=1e-2", "set optim_wrapper.optimizer.weight_decay"),
    ],
)
def test_a_multiplier_without_a_weight_decay(build, optimizer: str, fix: str) -> None:
    with pytest.raises(LrdecayError) as error:
        build(optimizer, FROZEN.format("dict(decay_mult=0.0)"))
    assert error.value.fix == fix


@pytest.mark.parametrize(
    ("optimizer", "code"),
    [
        ("type='AdamW', lr=1e-3, weight_decay=0.05", "LRD104"),
        ("type='SGD', lr=1e-3, weight_decay=0.05", "LRD104"),
        ("type='Rprop', lr=1e-3", "LRD804"),
        ("type='DeafToDecay', lr=1e-3", "LRD804"),
    ],
)
def test_parameters_at_lr_0_are_reported_once(build, optimizer: str, code: str) -> None:
    found = texts_of(build(optimizer, FROZEN.format("dict(lr_mult=0.0)")))
    assert {"LRD104", "LRD804"} & found.keys() == {code}


@pytest.mark.parametrize(
    ("optimizer", "further", "added"),
    [
        ("type='AdamW', lr=1e-3, weight_decay=0.05", "", ()),
        ("type='Rprop', lr=1e-3", "", ("Rprop does not move groups in proportion to their lrs (LRD802)",)),
        (
            "type='FirstLr', lr=1e-3, weight_decay=0.05",
            "",
            (f"FirstLr {FIRST}",),
        ),
        ("type='Lamb', lr=1e-3, weight_decay=0.05", "", ("Lamb scales each step by the norm of the weights",)),
        (
            "type='Rprop', lr=1e-3",
            FROZEN.format("dict(lr_mult=0.0)"),
            (f"Rprop {AT_ZERO}",),
        ),
        ("type='Rprop', lr=1e-3", FROZEN.format("dict(lr_mult=1.0)"), ()),
        (
            "type='DeafToDecay', lr=1e-3, weight_decay=0.05",
            FROZEN.format("dict(lr_mult=1.0)"),
            ("DeafToDecay ignores the weight decay",),
        ),
    ],
)
def test_an_explanation_names_the_effect_of_the_optimizer(
    build, optimizer: str, further: str, added: tuple[str, ...]
) -> None:
    group_map = build(optimizer, further)
    (weight,) = (each for each in group_map.tensors() if each.name == "backbone.downsample_layers.0.0.weight")
    (explained,) = Explainer(group_map).explain([weight])
    assert (explained.certainty, explained.certainty_reason) == ("recomputed", "; ".join([EXACT, *added]))
