"""Propose a constructor and decay options for the model of a group map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import structs

from lrdecay_cli.analysis.suggesting.options import backbone_prefix, present_options
from lrdecay_cli.constructors import CONSTRUCTORS, OURS, ConstructorSpec, constructor_of, ours_beside
from lrdecay_cli.decay.families import BACKBONE_PREFIX, Family, find_family
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.suggestion import Proposal


class UsualRate(msgspec.Struct, frozen=True):
    """The decay rate that published trainings use for a family of backbones, and the source of this rate."""

    rate: float
    source: str


REPLACED_FOR = ("LRD202", "LRD203", "LRD204", "LRD205", "LRD206", "LRD207", "LRD208", "LRD301")
"""Rules about layer ids and lr scales. If one of them has a finding, ``suggest`` replaces the config's layer decay."""

_DEEP_VIT = 12
_RATES = {
    "convnext": UsualRate(0.7, "MMDetection's Cascade Mask R-CNN on ConvNeXt-T and -S"),
    "vit": UsualRate(0.65, "MMPretrain's fine-tuning of MAE and BEiT on ViT-B"),
    "vit-deep": UsualRate(0.75, "MMPretrain's fine-tuning of MAE on ViT-L and -H"),
    "swin": UsualRate(0.9, "MMPretrain's fine-tuning of SimMIM on Swin-B"),
    "mvit": UsualRate(0.75, "MMAction2's fine-tuning of MaskFeat on MViT-S"),
    "internimage": UsualRate(0.94, "InternImage's Cascade Mask R-CNN on InternImage-L and -XL"),
    "unireplknet": UsualRate(0.8, "UniRepLKNet's Cascade Mask R-CNN on UniRepLKNet-T"),
    "resnet": UsualRate(0.7, "MMPretrain's fine-tuning of SparK on ResNet-50"),
}
_SLOWEST, _GENTLER = 5e-5, (0.8, 0.85, 0.9, 0.95)
"""The lowest lr scale for a stem, and higher decay rates.

If the usual decay rate gives the stem of a deep backbone a lower lr scale, ``suggest`` tries the higher decay rates in
this order. The stem of a ViT-H with its published decay rate has about this lowest lr scale.
"""
_ANY = UsualRate(0.8, "no published decay rate is known for this backbone")


def propose(group_map: GroupMap, findings: Sequence[Finding] = (), *, mmdet: bool, refused: str = "") -> Proposal:
    """Propose the constructor and the options for the model of ``group_map``.

    Args:
        group_map: the map of the config. If the config's constructor raises, a map that was built without it.
        findings: findings of the rules in this map.
        mmdet: True if MMDetection is installed. Its constructor supports ConvNeXt.
        refused: the error that the config's constructor raises; empty if the constructor succeeds.

    Raises:
        LrdecayError: the model has no backbone for layer decay, or the config has several optimizers.
    """
    where = group_map.config.path
    if group_map.live:
        raise LrdecayError("suggest needs a config; this map is of a running optimizer", where=where)
    if len(group_map.optimizer.types) > 1 or "optimizer" not in group_map.training.optim_wrapper:
        raise LrdecayError("the config has several optimizers; suggest supports only one", where=where)
    prefix = backbone_prefix(group_map)
    names = group_map.names(duplicates=True)
    kind = group_map.model.backbone or prefix[:-1]
    family = find_family(kind)
    depths = family.depths(names, prefix) if family else ()
    current = constructor_of(group_map)
    decays = current.known and current.rate_option and not current.is_switched_off(group_map.constructor.options)
    judged = bool(decays) and not refused
    faults = tuple(finding for finding in findings if judged and finding.code in REPLACED_FOR)
    rate, why = _rate(group_map, current, family, depths)
    if judged and not faults:
        return Proposal(group_map.constructor.type, group_map.constructor.options, (), (), (), fits=True)
    decay_type = group_map.constructor.options.get("decay_type", "layer_wise")
    carried, kept, left_out, covering = present_options(group_map, names, prefix, refused=bool(refused))
    # A constructor for exactly this family that only needs the depth.
    own = next((spec for spec in (current, *CONSTRUCTORS) if spec.families and family in spec.families), None)
    own = own if (mmdet or own is current) and len(depths) == 4 and prefix == BACKBONE_PREFIX else None
    if own and family and not carried:
        num_layers = family.fitting_num_layers(depths)
        reason = (
            f"num_layers={num_layers} fits the {depths[2]} blocks of the third stage, with three blocks per layer id"
        )
        options = {"decay_rate": rate, "decay_type": "layer_wise", "num_layers": num_layers}
        if decay_type == "stage_wise":
            options = {"decay_rate": rate, "decay_type": decay_type, "num_layers": len(depths)}
            reason = f"num_layers={len(depths)}, one layer for each stage"
        return Proposal(
            own.scoped_name,
            options,
            (),
            (reason, why),
            faults,
            fits=False,
            left_out=left_out,
            refused=refused,
        )
    options = {"decay_rate": rate, "num_layers": "auto"}
    if decay_type == "stage_wise" and (current is OURS or own):
        options["decay_type"] = decay_type
    if prefix != BACKBONE_PREFIX:
        options["backbone"] = prefix[:-1]
    reason = f"num_layers='auto' counts the layers of the {kind}"
    exempt = "norm layers, biases, tokens, position embeddings and relative position tables have no weight decay"
    reasons: tuple[str, ...] = (f"{reason}; {exempt}", why)
    if own:
        reasons = (*reasons, f"{own.project}'s constructor would ignore {', '.join(option.name for option in kept)}")
    return Proposal(
        ours_beside(group_map.constructor),
        {**options, **carried},
        OURS.imports,
        reasons,
        faults,
        fits=False,
        kept=kept,
        left_out=left_out,
        refused=refused,
        covering=covering,
    )


def without_covering(proposal: Proposal) -> Proposal | None:
    """Return the proposal without custom keys that match the whole backbone; None if there are no such keys."""
    if not proposal.covering:
        return None
    keys = {key: value for key, value in proposal.options["custom_keys"].items() if key not in proposal.covering}
    options = {**proposal.options, "custom_keys": keys}
    return structs.replace(
        proposal, options=options if keys else {k: v for k, v in options.items() if k != "custom_keys"}
    )


def _rate(
    group_map: GroupMap, current: ConstructorSpec, family: Family | None, depths: Sequence[int]
) -> tuple[float, str]:
    # An option that the config's constructor does not read does not count, under any name.
    given = [spec.rate_option for spec in (current, *CONSTRUCTORS) if spec.known and spec.rate_option]
    own: Any = next(filter(None, map(group_map.constructor.options.get, given)), None)
    if isinstance(own, (int, float)) and not isinstance(own, bool) and 0 < own <= 1:
        return own, f"the config sets decay rate {own}"
    name = family.name.partition("-")[0] if family else ""
    if name == "vit" and sum(depths) > _DEEP_VIT:
        name = "vit-deep"
    usual = _RATES.get(name, _ANY)
    layers = family.fitting_num_layers(tuple(depths)) + 1 if family and depths else 0
    if usual.rate**layers < _SLOWEST:
        rate = next((rate for rate in _GENTLER if rate**layers >= _SLOWEST), _GENTLER[-1])
        reason = f"with decay rate {usual.rate}, the stem would get lr scale {usual.rate**layers:.0e}"
        return rate, f"decay rate {rate} is a starting point: {reason}"
    return usual.rate, f"decay rate {usual.rate} is a starting point: {usual.source}"
