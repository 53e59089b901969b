"""The backbone families. Each family maps parameter names to layer ids.

A new family is a file in this folder and an entry in :data:`ALL_FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Iterable

from lrdecay_cli.decay.families import convnext, internimage, resnet, swin, vit
from lrdecay_cli.decay.families.interface import BACKBONE_PREFIX, ClassNames, Family

MMDET_FAMILIES: tuple[Family, ...] = (convnext.FAMILY,)
"""The families that mmdet's decay constructor supports."""

ALL_FAMILIES: tuple[Family, ...] = (
    convnext.FAMILY,
    convnext.UNIREPLKNET_FAMILY,
    vit.FAMILY,
    vit.MVIT_FAMILY,
    vit.ADAPTER_FAMILY,
    swin.FAMILY,
    swin.V2_FAMILY,
    swin.TIMM_FAMILY,
    swin.VIDEO_FAMILY,
    internimage.FAMILY,
    resnet.FAMILY,
)
"""The families that lrdecay's own constructor supports. If several families match a class name, the first is used."""


def find_family(class_name: str, families: Iterable[Family] = ALL_FAMILIES) -> Family | None:
    """Return the first family that supports a backbone class; None if there is none."""
    return next((family for family in families if family.classes.match(class_name)), None)


__all__ = ["ALL_FAMILIES", "BACKBONE_PREFIX", "MMDET_FAMILIES", "ClassNames", "Family", "find_family"]
