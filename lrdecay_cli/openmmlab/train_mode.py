"""Find the parameters that the training loop freezes or unfreezes by ``model.train()``, after the optimizer is built.

Source: mmengine 0.10.7. ``Runner.train`` builds the optimizer wrapper. Then ``mmengine/runner/loops.py`` calls
``self.runner.model.train()`` before the first iteration. Swin, CSPDarknet and other backbones apply ``frozen_stages``
in this call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from lrdecay_cli.domain.training import TrainMode


@contextmanager
def in_train_mode(model: nn.Module) -> Iterator[TrainMode]:
    """Call ``model.train()`` as the training loop does, and yield its changes. Afterwards restore the model.

    The yielded record contains the error if ``train()`` raises. ``requires_grad`` and the attributes of modules are
    restored, because LeViT of mmpretrain 1.2.0 behaves differently at every second call.
    """
    tensors = dict(model.named_parameters())
    required = [tensor.requires_grad for tensor in tensors.values()]
    attributes = [(vars(module), vars(module).copy()) for module in model.modules()]
    error = None
    try:
        model.train()
    except Exception as raised:
        error = describe_error(raised)
    changed = [
        (name, was)
        for (name, tensor), was in zip(tensors.items(), required, strict=True)
        if tensor.requires_grad is not was
    ]
    try:
        yield TrainMode(
            freezes=tuple(name for name, was in changed if was),
            thaws=tuple(name for name, was in changed if not was),
            error=error,
        )
    finally:
        for name, was in changed:
            tensors[name].requires_grad = was
        for own, saved in attributes:
            for name in own.keys() - saved.keys():
                del own[name]
            own.update(saved)


def describe_error(error: Exception) -> str:
    """Return class and message of an exception on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
