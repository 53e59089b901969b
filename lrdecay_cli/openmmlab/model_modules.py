"""Find the modules of a model that themselves register parameters. Needs only torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from lrdecay_cli.domain.training import Module, Trait

NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)
"""Classes of norm layers in mmengine's default constructor. Source: mmengine 0.10.7, ``parrots_wrapper.py``."""

_AVERAGED = (("mmengine.model.averaged_model", "BaseAveragedModel"), ("torch.optim.swa_utils", "AveragedModel"))


def averaged_models(model: nn.Module) -> list[str]:
    """Return the paths of modules whose weights are moving averages. No optimizer trains their parameters.

    Source: mmengine 0.10.7, ``model/averaged_model.py``; torch 2.13.0, ``optim/swa_utils.py``.
    """
    kinds = {
        kind
        for kind in {*map(type, model.modules())}
        if any((base.__module__, base.__name__) in _AVERAGED for base in kind.__mro__)
    }
    return [path for path, module in model.named_modules() if type(module) in kinds]


def modules_of(model: nn.Module, name_of: Callable[[str], str] = str) -> dict[str, Module]:
    """Return every module that itself registers parameters, by path. A shared module is listed under each of its paths.

    ``name_of`` converts a path in the model to a path in the group map.
    """
    # A model that contains a deformable convolution has imported mmcv.ops.
    ops = sys.modules.get("mmcv.ops")
    deformable = () if ops is None else (ops.DeformConv2d, ops.ModulatedDeformConv2d)
    of_deformable: Iterator[nn.Module] = (module for module in model.modules() if isinstance(module, deformable))
    offsets = {id(child) for module in of_deformable for child in module.children()}
    return {
        name_of(path): Module(type(module).__name__, tuple(_traits(module, deformable, id(module) in offsets)), own)
        for path, module in model.named_modules(remove_duplicate=False)
        if (own := tuple(name for name, parameter in module._parameters.items() if parameter is not None))
    }


def _traits(module: nn.Module, deformable: tuple[type, ...], offset: bool) -> Iterator[Trait]:
    if isinstance(module, NORMS):
        yield "norm"
    if isinstance(module, nn.Conv2d):
        if module.in_channels == module.groups:
            yield "depthwise"
        yield "conv2d"
    if isinstance(module, deformable):
        yield "deformable"
    if offset:
        yield "offset"
