"""The optimizer wrapper constructors that lrdecay knows.

Each constructor has a spec in a file of this folder, and an entry in :data:`CONSTRUCTORS` or :data:`PUBLISHED`. Code
outside this folder uses only the :class:`ConstructorSpec` of a constructor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lrdecay_cli.constructors import (
    beit_layer_decay,
    forced_default,
    internimage_layer_decay,
    lrdecay_layer_decay,
    mmaction_layer_decay,
    mmaction_swin,
    mmaction_tsm,
    mmdet_layer_decay,
    mmengine_default,
    mmpose_layer_decay,
    mmpretrain_layer_decay,
    mmseg_layer_decay,
    mmselfsup_layer_decay,
    mmyolo_kinds,
    per_optimizer,
    unireplknet_layer_decay,
    vitdet_layer_decay,
)
from lrdecay_cli.constructors.spec import ConstructorSpec, UnknownConstructor
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import UNKNOWN, Constructor

CONSTRUCTORS: tuple[ConstructorSpec, ...] = (
    mmengine_default.SPEC,
    mmdet_layer_decay.SPEC,
    mmpretrain_layer_decay.SPEC,
    lrdecay_layer_decay.SPEC,
    mmseg_layer_decay.SPEC,
    mmseg_layer_decay.OLD_SPEC,
    mmpose_layer_decay.SPEC,
    mmaction_layer_decay.SPEC,
    mmaction_swin.SPEC,
    mmaction_tsm.SPEC,
    forced_default.MMPOSE_SPEC,
    forced_default.MMSEG_SPEC,
    mmselfsup_layer_decay.SPEC,
    mmyolo_kinds.YOLOV5_SPEC,
    mmyolo_kinds.YOLOV7_SPEC,
    per_optimizer.MULTI_SPEC,
    per_optimizer.PGGAN_SPEC,
    per_optimizer.SINGAN_SPEC,
    per_optimizer.SEPARATE_SPEC,
)
"""Constructors that a package defines. If several of them read the same option, a fix names the first in this tuple."""

PUBLISHED: tuple[ConstructorSpec, ...] = (
    vitdet_layer_decay.SPEC,
    *beit_layer_decay.SPECS,
    *internimage_layer_decay.SPECS,
    unireplknet_layer_decay.SPEC,
)
"""Constructors that belong to no package. Users copy the file of the class, so the class may be in any module."""

DEFAULT = mmengine_default.SPEC
"""mmengine's default constructor, for configs that name no constructor."""

OURS = lrdecay_layer_decay.SPEC
"""lrdecay's own constructor. Messages suggest it as a fix, because it supports more backbones than the others, and
gives each parameter of these backbones a layer id.
"""


def find_constructor(written: str, module: str = "", copy_of: str = "") -> ConstructorSpec | None:
    """Return the spec of a constructor; None if lrdecay does not know the constructor.

    Args:
        written: the class name in the config, with or without a scope.
        module: the module that defines the class. Its package identifies the constructor. ``module`` is empty if the
            class cannot be loaded, or for a map of schema 1. In this case, the scope identifies the constructor. If no
            scope matches, the first constructor with this class name is returned.
        copy_of: the original constructor if the class is a copy, as in :attr:`Constructor.copy_of`; empty if unknown.
    """
    scope, _, name = written.rpartition(".")
    if copy_of:
        original = next(
            (spec for spec in (*PUBLISHED, *CONSTRUCTORS) if spec.short == copy_of and spec.name in name), None
        )
        return original and msgspec.structs.replace(original, name=name, scope="", package=module.partition(".")[0])
    named = [spec for spec in CONSTRUCTORS if spec.name == name]
    if module:
        package = module.partition(".")[0]
        return next((spec for spec in named if spec.package == package), None)
    return next((spec for spec in named if spec.scope and spec.scope == scope), next(iter(named), None))


def short_name(written: str, module: str = "") -> str:
    """Return a short name of a constructor for tables. For an unknown constructor, return its class name as written."""
    spec = find_constructor(written, module)
    return (spec and spec.short) or written


def originals_of(written: str, module: str, backbone: str | None) -> list[ConstructorSpec]:
    """Return the constructors that may be the original of a copied class, the most likely constructor first.

    The class name ``written`` contains the name of each returned constructor. Constructors with exactly this name come
    before the others. In both parts of the list, constructors come first if one of their :attr:`ConstructorSpec.marks`
    is in the name of the module or of the backbone.
    """
    name, about = written.rpartition(".")[2], f"{module} {backbone}".lower()
    found = [
        spec for spec in (*PUBLISHED, *CONSTRUCTORS) if spec.lr_from == "layers" and spec.short and spec.name in name
    ]
    return sorted(found, key=lambda spec: (spec.name != name, not any(mark in about for mark in spec.marks)))


LIVE = msgspec.structs.replace(
    UnknownConstructor.seen(UNKNOWN, {}, ()), exempting="put these parameters into a group with weight_decay=0"
)
"""The spec for a program that calls ``audit_optimizer`` and builds its groups without a constructor."""


def constructor_of(group_map: GroupMap) -> ConstructorSpec:
    """Return the spec of the constructor that built a map.

    If lrdecay does not know the constructor, the spec is an :class:`UnknownConstructor`.
    """
    built_by = group_map.constructor
    if group_map.live:
        return LIVE
    return find_constructor(built_by.type, built_by.module, built_by.copy_of) or UnknownConstructor.seen(
        built_by.type.rpartition(".")[2], built_by.options, group_map.training.reads
    )


def ours_beside(constructor: Constructor) -> str:
    """Return the name of lrdecay's own constructor, as a config must write it to replace ``constructor``.

    This is the full path of the class if another package, such as mmpose, registers a constructor with the same name.
    """
    taken = constructor.type == OURS.name and constructor.module.partition(".")[0] not in ("", OURS.package)
    return f"{OURS.imports[0]}.{OURS.name}" if taken else OURS.name


def rate_given(options: Mapping[str, Any]) -> Any:
    """Return the decay rate in ``paramwise_cfg``, under a name such as ``decay_rate`` or ``llrd``; None if not set."""
    rates = (options.get(name) for name in (*(spec.rate_option for spec in CONSTRUCTORS), *RATE_ELSEWHERE) if name)
    return next((rate for rate in rates if rate is not None), None)


RATE_ELSEWHERE = (
    *("layer_decay", "layer_lr_decay", "lr_layer_decay", "lr_decay_rate", "layerwise_decay", "layer_wise_decay"),
    *("llrd", "llrd_rate", "lr_decay"),
)
"""Names of the option for the decay rate outside OpenMMLab: in timm, MAE, BEiT, EVA, detectron2 and others."""


__all__ = [
    "CONSTRUCTORS",
    "DEFAULT",
    "OURS",
    "PUBLISHED",
    "RATE_ELSEWHERE",
    "ConstructorSpec",
    "constructor_of",
    "find_constructor",
    "originals_of",
    "ours_beside",
    "rate_given",
]
