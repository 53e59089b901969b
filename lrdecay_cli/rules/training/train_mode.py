"""Rules about ``model.train()``, which mmengine calls at the start of a training. These rules need no dry run."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import (
    Example,
    Fault,
    RuleContext,
    count,
    rule,
    set_option,
)

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

    mmengine's loops call ``model.train()`` before the first iteration, so the run fails after it has loaded data and
    weights.

    Modules that freeze their own parameters override ``train()``. Such a ``train()`` raises if the module to freeze
    does not exist, for example if ``frozen_stages`` is beyond the last stage. The group map shows a parameter
    as frozen only if it was frozen before the error.
    """
    train_mode = context.group_map.training.train_mode
    if train_mode and train_mode.error:
        yield Fault(
            f"model.train() raises before the first iteration: {train_mode.error}",
            "fix the module that overrides train(), or an option that this module reads, such as frozen_stages",
            option="model",
        )


_FROZEN_LATE = _HEAD.format(name="fc")


@rule(
    "LRD819",
    "frozen-under-ddp",
    severity="error",
    bad=Example(f"{_USED}\nmodel_wrapper_cfg = dict(type='MMDistributedDataParallel')", _FROZEN_LATE),
    good=Example(
        f"{_USED}\nmodel_wrapper_cfg = dict(type='MMDistributedDataParallel', find_unused_parameters=True)",
        _FROZEN_LATE,
    ),
)
def frozen_under_ddp(context: RuleContext) -> Iterator[Fault]:
    """train() freezes parameters whose gradients DistributedDataParallel waits for.

    The training raises at its second iteration, on several GPUs only.

    mmengine first wraps the model in DistributedDataParallel, which then waits for a gradient of every parameter with
    ``requires_grad=True``. Later, ``model.train()`` freezes some of these parameters, as ``frozen_stages`` of Swin and
    CSPDarknet does. With ``find_unused_parameters=True``, DistributedDataParallel looks for parameters without a
    gradient in every iteration and does not wait for them.

    LRD819 runs if the config names a model wrapper, or if ``--gpus`` is above one.
    """
    training, batch, wrapping = context.group_map.training, context.group_map.batch, context.group_map.wrapping
    unused = training.unused_parameters
    if not unused or unused.found or not training.train_mode or not training.train_mode.freezes:
        return
    if "DistributedDataParallel" in wrapping.type if wrapping else batch and batch.gpus_given and batch.gpus > 1:
        frozen = training.train_mode.freezes
        yield Fault(
            f"train() freezes {count(len(frozen), 'tensor')} after the model is wrapped:"
            " DistributedDataParallel raises at the second iteration, because their gradients are missing",
            f"set {unused.option}=True",
            parameters=frozen,
            option=unused.option,
            edits=[set_option(unused.option, True)],
        )
