"""Group maps of running programs: any PyTorch model with its optimizer."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from lrdecay_cli.api.errors import short_errors
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap


@short_errors
def audit_optimizer(
    model: Any,
    optimizer: Any,
    *,
    schedulers: Any = None,
    base_lr: float | None = None,
    name: str | None = None,
) -> GroupMap:
    """Return the parameter groups of a real optimizer, with the state of every parameter of the model.

    Needs torch, but no OpenMMLab package. Works for plain loops, timm, Lightning and the Hugging Face Trainer. The
    model is neither run nor changed. ``model.train()`` is not called, so parameters that it would freeze count as
    trainable.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    >>> optimizer = torch.optim.AdamW([{"params": model[1].parameters(), "lr": 1e-3}])
    >>> group_map = audit_optimizer(model, optimizer)
    >>> group_map["0.weight"].state
    'missing'
    >>> group_map["1.weight"].lr
    0.001

    Args:
        model: a ``torch.nn.Module``, also in DDP, FSDP, DataParallel or ``torch.compile``; names are the model's own.
        optimizer: a torch optimizer, or a list or dict of several; also the result of Lightning's
            ``configure_optimizers``, with its schedulers.
        schedulers: the lr scheduler, or a list of schedulers. Those of timm multiply lrs by ``lr_scale``; those of
            torch
            do not.
        base_lr: the lr that ``lr_scale`` is relative to; by default the optimizer's default lr, if a group trains at
            it.
        name: the name of the model in reports; by default its class.

    Returns:
        The map. The lrs are the lrs before any schedule: ``initial_lr`` if a scheduler is already built. Fields that
        only a config
        defines are empty: constructor, options, schedules.

    Raises:
        LrdecayError: torch is not installed, ``model`` is not a module, or there is no optimizer.
    """
    if find_spec("torch") is None:
        raise LrdecayError("audit_optimizer needs torch, not installed here", fix="pip install torch")
    from lrdecay_cli.openmmlab.live_optimizer import live_optimizer_map

    return live_optimizer_map(model, optimizer, schedulers, base_lr=base_lr, name=name)
