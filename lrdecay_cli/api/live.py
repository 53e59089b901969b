"""Build group maps of optimizers in running programs, for any PyTorch model."""

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
    measure: bool = True,
) -> GroupMap:
    """Return the parameter groups of a real optimizer, with the state of every parameter of the model.

    It needs torch, but no OpenMMLab package. It works for plain loops, timm, Lightning and the Hugging Face Trainer.
    Model and optimizer are neither run nor changed. ``model.train()`` is not called, so parameters that this call would
    freeze count as trainable.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    >>> optimizer = torch.optim.AdamW([{"params": model[1].parameters(), "lr": 1e-3}])
    >>> group_map = audit_optimizer(model, optimizer)
    >>> group_map["0.weight"].state
    'missing'
    >>> group_map["1.weight"].lr
    0.001

    Args:
        model: a ``torch.nn.Module``, which may be wrapped by DDP, FSDP, DataParallel or ``torch.compile``. The map has
            the parameter names of the unwrapped model.
        optimizer: a torch optimizer, a list or dict of optimizers, or the result of Lightning's
            ``configure_optimizers``, which may contain schedulers.
        schedulers: the lr scheduler, or a list of schedulers. timm's schedulers multiply lrs by ``lr_scale``; torch's
            schedulers do not.
        base_lr: the lr by which lrs are divided to get ``lr_scale``. By default, this is the optimizer's default lr.
            If no group uses the optimizer's default lr, the map has no base lr.
        name: the name of the model in reports; by default the name of its class.
        measure: if lrdecay's table lacks the optimizer's class, build a few instances of this class and let them take
            steps with tiny tensors, to find how the class uses lr and weight decay. False to use only the table. In a
            training with several processes, lrdecay never measures.

    Returns:
        The group map. Its lrs are the lrs before any schedule: ``initial_lr`` if a scheduler is already built. Fields
        that only a config defines are empty: constructor, options, schedules.

    Raises:
        LrdecayError: torch is not installed, ``model`` is not a module, there is no optimizer, or another argument has
            the wrong type.
    """
    if find_spec("torch") is None:
        raise LrdecayError("audit_optimizer needs the package torch, which is not installed", fix="pip install torch")
    from lrdecay_cli.openmmlab.live_optimizer import live_optimizer_map

    return live_optimizer_map(model, optimizer, schedulers, base_lr=base_lr, name=name, measure=measure)
