"""What ``model.train()`` does when a training begins: the map tells, without a dry run."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule

_HEAD = """\
from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS

@MODELS.register_module(force=True)
class OwnHead(LinearClsHead):
    def train(self, mode=True):
        super().train(mode)
        self.{name}.requires_grad_(False)
        return self
"""
_USED = "model = dict(head=dict(type='OwnHead'))"


@rule(
    "LRD818",
    "train-mode-fails",
    severity="error",
    bad=Example(_USED, _HEAD.format(name="fc_cls")),
    good=Example(_USED, _HEAD.format(name="fc")),
)
def train_mode_fails(context: RuleContext) -> Iterator[Fault]:
    """The model raises in ``train()``.

    mmengine's loops call ``model.train()`` before the first iteration: the training ends there, after data and weights
    have been loaded.

    Modules that freeze a part of themselves override ``train()``, and may name a part that this model does not have:
    ``frozen_stages`` beyond the last stage. What was frozen up to the error is reported as frozen.
    """
    train_mode = context.group_map.training.train_mode
    if train_mode and train_mode.error:
        yield Fault(
            f"model.train() raises, and the training ends before its first iteration: {train_mode.error}",
            "fix the module that overrides train(), or an option that it reads, such as frozen_stages",
            option="model",
        )
