"""Records of the command ``scan``, as its JSON format writes them: one result for each config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec

from lrdecay_cli.domain.group_map import GroupMap, Tool

SCAN_SCHEMA_VERSION = 1

OK = "ok"
NOT_FOR_TRAINING = ("no-model", "no-optim-wrapper")
"""Statuses of configs that are not for training. Configs with these statuses do not count as failures."""


class ScanRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The result of the command ``scan`` for one config. If no group map could be built, all numbers are null."""

    config: str
    """Path of the config. It begins with the config, directory or zoo that the command line names."""
    status: str
    """``ok``, ``timeout``, ``crashed``, or the status of a :class:`lrdecay_cli.domain.errors.LrdecayError`."""
    problem: str = ""
    """Why lrdecay could not build the group map of the config, in one line. Empty if lrdecay built the group map."""
    constructor: str | None = None
    backbone: str | None = None
    groups: int | None = None
    tensors: int | None = None
    parameters: int | None = None
    lr_min: float | None = None
    lr_max: float | None = None
    lr_scale_min: float | None = None
    lr_scale_max: float | None = None
    frozen: int | None = None
    """Number of frozen tensors, inside and outside of parameter groups."""
    missing: int | None = None
    """Number of trainable tensors that are in no parameter group."""
    sha256: str | None = None
    """SHA-256 of the config's resolved text."""
    constructor_module: str = ""
    """The module that defines the constructor's class."""
    digest: str | None = None
    """SHA-256 of everything in the group map that ``diff`` compares. Two maps without differences have the same digest.

    Null in scans of older versions of lrdecay.
    """

    settings: Mapping[str, str] = {}
    """Short hashes of the settings of all backbone parameters, to compare configs. For a model without a backbone, the
    hashes cover all parameters.

    ``names`` is a hash of the parameter names: only configs with the same ``names`` are compared. ``layer ids``,
    ``lr scales`` and ``weight decays`` are hashes of the names with these numbers. ``base lr`` is the number itself.
    Empty in scans of older versions of lrdecay.
    """

    @property
    def failed(self) -> bool:
        """True if the config is for training, but lrdecay could not build its group map."""
        return self.status not in (OK, *NOT_FOR_TRAINING)


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The results of a scan, or of one shard (part) of a scan, in the order of the config names."""

    schema_version: int
    tool: Tool
    device: str
    overrides: tuple[str, ...]
    """The options of ``--cfg-options`` as written, then the launch options, for example ``--gpus 8``."""
    records: tuple[ScanRecord, ...]
    shard: str | None = None
    """``i/n`` if this is the i-th of n shards; null if this is the whole scan."""


def record_of(config: str, group_map: GroupMap) -> ScanRecord:
    """Return the scan record of a config from its group map."""
    lrs = [group.lr for group in group_map.groups if group.lr is not None]
    scales = [group.lr_scale for group in group_map.groups if group.lr_scale is not None]
    totals = group_map.model.totals
    grouped = [(group, parameter.name) for group, parameter in group_map.grouped()]
    # Heads differ with the detector and the number of classes; equal backbones should have equal settings.
    of_backbone = [(group, name) for group, name in grouped if name.startswith("backbone.")] or grouped
    settings = {
        "names": _digest(name for _, name in of_backbone),
        "layer ids": _digest(f"{name} {group.layer_id}" for group, name in of_backbone),
        "lr scales": _digest(f"{name} {group.lr_scale}" for group, name in of_backbone),
        "weight decays": _digest(f"{name} {group.weight_decay}" for group, name in of_backbone),
        "base lr": str(group_map.base_lr),
    }
    return ScanRecord(
        config=config,
        status=OK,
        constructor=group_map.constructor.type,
        backbone=group_map.model.backbone,
        groups=len(group_map.groups),
        tensors=totals.tensors,
        parameters=totals.parameters,
        lr_min=min(lrs, default=None),
        lr_max=max(lrs, default=None),
        lr_scale_min=min(scales, default=None),
        lr_scale_max=max(scales, default=None),
        frozen=totals.frozen_tensors + sum(tensor.state == "frozen_in_group" for tensor in group_map.tensors()),
        missing=totals.missing_tensors,
        sha256=group_map.config.sha256,
        constructor_module=group_map.constructor.module,
        settings=settings,
    )


def _digest(lines: Iterable[str]) -> str:
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]
