"""Published models with their own exemptions from weight decay: timm's lists, configs of mmdet and mmpretrain."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import timm
import torch
from timm.optim import param_groups_weight_decay

from lrdecay_cli.domain.training import Module
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.model_modules import modules_of
from tests.openmmlab.plain import nothing_drawn


class Published(NamedTuple):
    """A parameter and the decision of its project."""

    module: Module
    shape: tuple[int, ...]
    exempt: bool


@cache
def parameters_of(source: str) -> Mapping[str, Published]:
    """Return the parameters of ``timm::MODEL``, ``mmdet::CONFIG`` or ``mmpretrain::CONFIG``, by name."""
    scope, _, model = source.partition("::")
    return _of_timm(model) if scope == "timm" else _of_config(source)


def _of_timm(name: str) -> Mapping[str, Published]:
    with torch.device("meta"), nothing_drawn():
        model = timm.create_model(name)
    exempt, _ = param_groups_weight_decay(model, 0.05, no_weight_decay_list=getattr(model, "no_weight_decay", set)())
    left = {id(parameter) for parameter in exempt["params"]}
    modules = modules_of(model)
    return {
        name: Published(modules[name.rpartition(".")[0]], tuple(parameter.shape), id(parameter) in left)
        for name, parameter in model.named_parameters()
    }


def _of_config(config: str) -> Mapping[str, Published]:
    group_map = audit(config, device="meta")
    return {
        parameter.name: Published(group_map.registered[parameter.name], parameter.shape, group.weight_decay == 0)
        for group, parameter in group_map.grouped()
    }
