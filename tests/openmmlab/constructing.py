"""Small models for tests of constructors, and the real optimizers that constructors build for them."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.openmmlab.build_context import constructing
from lrdecay_cli.openmmlab.decay_constructor import plan_for
from lrdecay_cli.training import LayerDecayOptimWrapperConstructor

BASE_LR, BASE_WEIGHT_DECAY, RATE = 3e-4, 0.05, 0.65
OPTIMIZER = {"type": "AdamW", "lr": BASE_LR, "weight_decay": BASE_WEIGHT_DECAY}


def build(config: dict[str, Any], scope: str) -> nn.Module:
    """Build a module from the registry of ``scope``, on the meta device."""
    with DefaultScope.overwrite_default_scope(scope), constructing("meta"):
        return MODELS.build(config)


class Detector(nn.Module):
    """A backbone, and a layer outside it."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(2, 2)


def groups_of(model: nn.Module, constructor: type, **paramwise_cfg: Any) -> list[dict[str, Any]]:
    """Return the groups of the optimizer that a constructor builds, without tensors; tensor names are checked."""
    made = constructor({"type": "OptimWrapper", "optimizer": dict(OPTIMIZER)}, paramwise_cfg)(model)
    optimizer = made.optimizer
    assert isinstance(optimizer, torch.optim.AdamW)
    names = {id(parameter): name for name, parameter in getattr(model, "module", model).named_parameters()}
    for group in optimizer.param_groups:
        assert [names[id(parameter)] for parameter in group["params"]] == group["param_names"]
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def our_groups(model: nn.Module, **paramwise_cfg: Any) -> list[dict[str, Any]]:
    """Return the groups of lrdecay's constructor, each compared with the provenance of its parameters."""
    options = {"decay_rate": RATE, **paramwise_cfg}
    groups = groups_of(model, LayerDecayOptimWrapperConstructor, **options)
    plan = plan_for(getattr(model, "module", model), OPTIMIZER, options)
    provenance = {each.name: each.provenance for group in plan.groups for each in group.parameters}
    for group in groups:
        for name in group["param_names"]:
            assert_recomputes(provenance[name], group)
    return groups


def assert_recomputes(provenance: Provenance, group: dict[str, Any]) -> None:
    """Assert that every formula, and every rule with its inputs, gives the group's own number to the last bit."""
    for step, number in (
        (provenance.layer_id, group["layer_id"]),
        (provenance.lr_scale, group["lr_scale"]),
        (provenance.lr, group["lr"]),
        (provenance.weight_decay, group["weight_decay"]),
    ):
        assert step.result == number
        assert eval(step.formula, {"__builtins__": {}}) == number
        assert eval(step.expression, {"__builtins__": {}}, dict(step.inputs)) == number


def by_parameter(groups: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Return a number of each parameter's group."""
    return {name: group[key] for group in groups for name in group["param_names"]}


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(2, 2)
        self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
        self.norm = nn.LayerNorm((2, 2))


class Reporting(Plain):
    """Define the depth of a parameter as mmpretrain's backbones do."""

    def get_layer_depth(self, param_name: str, prefix: str = "") -> tuple[int, int]:
        if not param_name.startswith(prefix):
            return 3, 4
        parts = param_name.removeprefix(prefix).split(".")
        return (int(parts[1]) + 1, 4) if parts[0] == "blocks" else (0, 4)
