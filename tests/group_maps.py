"""Small group maps for tests: ``group_map({"decay": {"lr": 0.1, "parameters": {"conv.weight": (8, 3)}}})``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from lrdecay_cli.domain.group_map import (
    SCHEMA_VERSION,
    ConfigSource,
    Duplicate,
    GroupedParameter,
    GroupMap,
    Parameter,
    ParameterGroup,
    Tool,
)
from lrdecay_cli.domain.training import Constructor, Model, Module, Optimizer, Totals, Training

Shapes = Mapping[str, tuple[int, ...]]


def group_map(
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    frozen: Shapes | None = None,
    missing: Shapes | None = None,
    duplicates: Mapping[str, str] | None = None,
    **fields: Any,
) -> GroupMap:
    """Return a map with consistent totals.

    Args:
        groups: by name: ``parameters`` (shape by name), ``no_grad`` (names of parameters without gradient), and the
            group's own numbers and ``options``. The default lr is 0.1 and the default weight decay is 0.05.
        frozen: shape by name.
        missing: shape by name.
        duplicates: first name by duplicate name.
        fields: other fields of the map.
    """
    built = tuple(_group(name, **spec) for name, spec in (groups or {}).items())
    outside = (_parameters(frozen or {}), _parameters(missing or {}))
    shapes = {parameter.name: parameter.shape for group in built for parameter in group.parameters}
    further = tuple(
        Duplicate(name, shapes.get(first, ()), math.prod(shapes.get(first, ())), first)
        for name, first in (duplicates or {}).items()
    )
    usual: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "tool": Tool("lrdecay", "0"),
        "stack": {},
        "device": "cpu",
        "config": ConfigSource("config.py", "0" * 64, {}),
        "constructor": Constructor("DefaultOptimWrapperConstructor", {}),
        "optimizer": Optimizer("AdamW", "OptimWrapper", {}),
        "base_lr": 0.1,
        "base_weight_decay": 0.05,
        "model": Model("Detector", None, _totals(built, *outside, further)),
        "groups": built,
        "frozen": outside[0],
        "missing": outside[1],
        "duplicates": further,
        "stubs": (),
        "modules": _modules([*shapes, *(frozen or {}), *(missing or {})]),
        "training": Training({}, (), {}, {}, None, ()),
        "checkpoint": None,
    }
    return GroupMap(**{**usual, **fields})


def _group(
    name: str, *, parameters: Shapes | None = None, no_grad: tuple[str, ...] = (), **numbers: Any
) -> ParameterGroup:
    grouped = tuple(
        GroupedParameter(
            parameter.name,
            parameter.shape,
            parameter.numel,
            parameter.name not in no_grad,
            None,
            foreign="(not a parameter" in parameter.name,
        )
        for parameter in _parameters(parameters or {})
    )
    usual: dict[str, Any] = {"layer_id": None, "lr_scale": 1.0, "lr": 0.1, "weight_decay": 0.05, "options": {}}
    usual["optimizer"] = name.rpartition(".")[0]
    usual["named"] = re.fullmatch(r"(.*\.)?group_\d+", name) is None
    return ParameterGroup(name=name, parameters=grouped, **{**usual, **numbers})


def _modules(names: list[str]) -> dict[str, Module]:
    owned: dict[str, list[str]] = {}
    for name in names:
        path, _, own = name.rpartition(".")
        owned.setdefault(path, []).append(own)
    return {path: Module("Module", (), tuple(own)) for path, own in owned.items()}


def _parameters(shapes: Shapes) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, tuple(shape), math.prod(shape)) for name, shape in shapes.items())


def _totals(
    groups: tuple[ParameterGroup, ...],
    frozen: tuple[Parameter, ...],
    missing: tuple[Parameter, ...],
    duplicates: tuple[Duplicate, ...],
) -> Totals:
    grouped = [parameter for group in groups for parameter in group.parameters]
    everything: list[Parameter | GroupedParameter] = [*grouped, *frozen, *missing]
    return Totals(
        tensors=len(everything),
        parameters=sum(parameter.numel for parameter in everything),
        grouped_tensors=len(grouped),
        grouped_parameters=sum(parameter.numel for parameter in grouped),
        frozen_tensors=len(frozen),
        frozen_parameters=sum(parameter.numel for parameter in frozen),
        missing_tensors=len(missing),
        missing_parameters=sum(parameter.numel for parameter in missing),
        duplicate_names=len(duplicates),
    )
