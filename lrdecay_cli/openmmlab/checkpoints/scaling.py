"""Find the factor by which ``auto_scale_lr`` multiplied the lrs in a checkpoint.

A checkpoint contains the scaled lrs, mmengine's unscaled base lr, and the text of its config. It does not contain the
number of GPUs, which follows from the lrs. Source: mmengine 0.10.7, ``Runner.scale_lr``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrdecay_cli.decay.batch_scaling import MOST_GPUS, OPTION, lr_factor
from lrdecay_cli.decay.options import number_or_none
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Batch
from lrdecay_cli.openmmlab.checkpoints.saved_groups import SavedGroup, counterparts
from lrdecay_cli.openmmlab.config_values import number

_TOLERANCE = 1e-5


def saved_batch(
    settings: Mapping[str, Any],
    saved: Sequence[SavedGroup],
    bases: Mapping[str, float | None],
    config: GroupMap | None,
) -> Batch | None:
    """Return the batch size, number of GPUs and factor of a training; None if ``auto_scale_lr`` scaled no lr.

    Args:
        settings: settings in the checkpoint's config text; empty if there is no text.
        saved: the groups in the checkpoint.
        bases: the unscaled base lr of each optimizer.
        config: group map of a config that fits the checkpoint. It gives the lr scales that the checkpoint lacks.
    """
    size, base_size = _sizes(settings, config)
    if not size or not base_size:
        return None
    counted = Counter(_gpus(saved, bases, config, lr_factor(1, size, base_size)))
    if not counted:
        return None
    planned = config.batch.gpus if config and config.batch else 1
    gpus = planned if planned in counted else counted.most_common(1)[0][0]
    return Batch(gpus, True, size, base_size, lr_factor(gpus, size, base_size))


def _sizes(settings: Mapping[str, Any], config: GroupMap | None) -> tuple[int | None, float | None]:
    """Return the batch size of one GPU and ``base_batch_size``; None for each if ``auto_scale_lr`` is off."""
    if not settings:
        batch = config.batch if config else None
        return (batch.size, batch.base_size) if batch else (None, None)
    scaling, loader = settings.get(OPTION), settings.get("train_dataloader")
    if not isinstance(scaling, Mapping) or not scaling.get("enable") or not isinstance(loader, Mapping):
        return None, None
    size, base = loader.get("batch_size"), number_or_none(scaling.get("base_batch_size"))
    return (size if type(size) is int and 0 < size < 2**53 else None), (base if base and base > 0 else None)


def _gpus(
    saved: Sequence[SavedGroup], bases: Mapping[str, float | None], config: GroupMap | None, unit: float
) -> Iterator[int]:
    """Yield the number of GPUs that each group shows. ``unit`` is the factor on one GPU.

    Omits groups whose lr is not a whole multiple of the lr on one GPU.
    """
    known = [group.lr_scale for group in counterparts(saved, config)] if config else [None] * len(saved)
    for group, scale in zip(saved, known, strict=True):
        recorded, base = number(group.options.get("lr_scale")), bases[group.optimizer]
        scale = recorded if recorded is not None else 1.0 if len(saved) == 1 else scale
        if not scale or not base or group.first_lr is None:
            continue
        gpus = group.first_lr / (base * scale * unit)
        if 0.5 < gpus < MOST_GPUS and abs(gpus - round(gpus)) <= _TOLERANCE * gpus:
            yield round(gpus)
