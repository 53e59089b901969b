"""The optimizer wrapper constructors that lrdecay knows.

A constructor is one file here and an entry in :data:`CONSTRUCTORS`. Everything else asks its :class:`ConstructorSpec`.
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
"""Of those that read an option, fixes name the first."""

PUBLISHED: tuple[ConstructorSpec, ...] = (
    vitdet_layer_decay.SPEC,
    *beit_layer_decay.SPECS,
    *internimage_layer_decay.SPECS,
    unireplknet_layer_decay.SPEC,
)
"""Those of projects that are no packages: users copy the file, and the class is of whatever module they put it in."""

DEFAULT = mmengine_default.SPEC
"""What mmengine takes where a config names none."""

OURS = lrdecay_layer_decay.SPEC
"""In fixes: it serves more backbones than the others, and puts everything in them where it belongs."""


def find_constructor(written: str, module: str = "", copy_of: str = "") -> ConstructorSpec | None:
    """The spec of a constructor; None for one that lrdecay has no file for.

    Args:
        written: the class name, with a scope in front or without.
        module: the module that defines the class, which decides. Where it is not known, as in maps of schema 1 and for
            classes that nobody can load, the scope does; without a scope that has one, the first of that name counts.
        copy_of: what :attr:`Constructor.copy_of` holds.
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
    """What tables call a constructor: a few words for one that lrdecay knows, else its class name as written."""
    spec = find_constructor(written, module)
    return (spec and spec.short) or written


def originals_of(written: str, module: str, backbone: str | None) -> list[ConstructorSpec]:
    """The constructors that a class of a module that lrdecay does not know may be a copy of: their name is in its own.

    Those first that the names of the module and of the backbone speak for.
    """
    name, about = written.rpartition(".")[2], f"{module} {backbone}".lower()
    found = [
        spec for spec in (*PUBLISHED, *CONSTRUCTORS) if spec.lr_from == "layers" and spec.short and spec.name in name
    ]
    return sorted(found, key=lambda spec: (spec.name != name, not any(mark in about for mark in spec.marks)))


LIVE = msgspec.structs.replace(
    UnknownConstructor.seen(UNKNOWN, {}, ()), exempting="put them into a group with weight_decay=0"
)
"""For the code of a program that makes groups by itself."""


def constructor_of(group_map: GroupMap) -> ConstructorSpec:
    """The spec of the constructor that built a map, an :class:`UnknownConstructor` where lrdecay has no file for it."""
    built_by = group_map.constructor
    if group_map.live:
        return LIVE
    return find_constructor(built_by.type, built_by.module, built_by.copy_of) or UnknownConstructor.seen(
        built_by.type.rpartition(".")[2], built_by.options, group_map.training.reads
    )


def ours_beside(constructor: Constructor) -> str:
    """The name by which a config gets our constructor in place of its present one.

    mmpose registers a constructor of the same name in place of ours, so that beside it the path of the class is needed.
    """
    taken = constructor.type == OURS.name and constructor.module.partition(".")[0] not in ("", OURS.package)
    return f"{OURS.imports[0]}.{OURS.name}" if taken else OURS.name


def rate_given(options: Mapping[str, Any]) -> Any:
    """The decay rate in ``paramwise_cfg``, by whatever name a known constructor reads it; None if there is none."""
    rates = (options.get(name) for name in (*(spec.rate_option for spec in CONSTRUCTORS), *RATE_ELSEWHERE) if name)
    return next((rate for rate in rates if rate is not None), None)


RATE_ELSEWHERE = (
    *("layer_decay", "layer_lr_decay", "lr_layer_decay", "lr_decay_rate", "layerwise_decay", "layer_wise_decay"),
    *("llrd", "llrd_rate", "lr_decay"),
)
"""What the decay rate is called outside of OpenMMLab: by timm, MAE, BEiT and EVA, detectron2 and others."""


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
