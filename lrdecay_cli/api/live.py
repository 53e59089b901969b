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
    """Read the parameter groups of a real optimizer, and account for every parameter of the model.

    It needs torch and nothing of OpenMMLab: plain loops, timm, Lightning and the Hugging Face Trainer alike. The model
    is neither run nor changed, and its mode stays; ``model.train()`` is not called, so what that freezes is not seen.

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
        optimizer: a torch optimizer, or a list or dict of several; also what Lightning's ``configure_optimizers``
            returns, with its schedulers.
        schedulers: the lr scheduler, or a list of them. timm's multiply lrs by ``lr_scale``, torch's do not.
        base_lr: the lr that ``lr_scale`` is relative to; by default the optimizer's own, where a group trains at it.
        name: what reports call it, in place of the model's class.

    Returns:
        The map. Its lrs are those that training starts with: of a scheduler that is built already, ``initial_lr``. What
        only a config defines stays empty: constructor, options, schedules.

    Raises:
        LrdecayError: torch is not installed, ``model`` is not a module, or there is no optimizer.
    """
    if find_spec("torch") is None:
        raise LrdecayError("audit_optimizer needs torch, not installed here", fix="pip install torch")
    from lrdecay_cli.openmmlab.live_optimizer import live_optimizer_map

    return live_optimizer_map(model, optimizer, schedulers, base_lr=base_lr, name=name)
