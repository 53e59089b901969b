"""Rules about lrs and weight decays that depend on the batch size or the number of GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lrdecay_cli.decay.batch_scaling import describe_difference
from lrdecay_cli.rules.api import (
    Example,
    Fault,
    RuleContext,
    rule,
    set_option,
)

_CONSTRUCTOR = """\
from mmengine.dist import get_world_size
$CONSTRUCTOR
class DecayByBatch($DEFAULT):
    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        batch = get_world_size() * optim_wrapper_cfg['optimizer'].pop('batch_size_per_gpu')
        optim_wrapper_cfg['optimizer']['weight_decay'] *= batch / 64
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
"""
_USED = """\
train_dataloader = dict(batch_size=16)
optim_wrapper = dict(constructor='DecayByBatch', optimizer=dict(batch_size_per_gpu={}), paramwise_cfg=None)\
"""
_PLAIN = "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=None)"


@rule(
    "LRD823",
    "number-of-gpus-assumed",
    severity="warning",
    bad=Example(_USED.format(16), _CONSTRUCTOR),
    good=Example(_PLAIN),
)
def number_of_gpus_assumed(context: RuleContext) -> Iterator[Fault]:
    """An lr or weight decay depends on the number of GPUs, but this number is not set.

    lrdecay shows the lr and weight decay for 1 GPU. On more GPUs, the same config trains with another lr or weight
    decay.

    ``auto_scale_lr`` multiplies every lr by (batch size per GPU × number of GPUs) / ``base_batch_size``. Some
    constructors also use the number of GPUs. For example, mmyolo's YOLOv5 constructor multiplies weight decay by the
    total batch size. Set the number with ``--gpus``.
    """
    batch = context.group_map.batch
    if not batch or batch.gpus_given:
        return
    if batch.differs is not None:
        number = batch.differs.number.replace("_", " ")
        message = f"{number} depends on the number of GPUs, assumed to be 1: {describe_difference(batch)}"
        groups = (group for group in context.group_map.groups if group.name == batch.differs.group)
        names = [parameter.name for group in groups for parameter in group.parameters]
        yield Fault(message, "pass --gpus N", parameters=names, about=batch.differs.number)
    if batch.lr_factor is not None:
        message = (
            "every lr depends on the number of GPUs, assumed to be 1: auto_scale_lr multiplies every lr by"
            f" {batch.lr_factor:g}"
        )
        yield Fault(message, "pass --gpus N", about="auto_scale_lr", option="auto_scale_lr.enable")


@rule(
    "LRD824",
    "two-batch-sizes",
    severity="warning",
    bad=Example(_USED.format(8), _CONSTRUCTOR),
    good=Example(_USED.format(16), _CONSTRUCTOR),
)
def two_batch_sizes(context: RuleContext) -> Iterator[Fault]:
    """The optimizer and the dataloader are configured with different batch sizes.

    The constructor computes the weight decay from ``optimizer.batch_size_per_gpu`` and does not use the dataloader's
    batch size. The weight decay therefore fits another batch size than the one of the training.

    mmyolo's configs set both ``optimizer.batch_size_per_gpu`` and the batch size of ``train_dataloader``. A
    command-line override of ``train_dataloader.batch_size`` does not change ``optimizer.batch_size_per_gpu``.
    """
    batch, optimizer = context.group_map.batch, context.group_map.training.optim_wrapper.get("optimizer")
    optimizer_size = optimizer.get("batch_size_per_gpu") if isinstance(optimizer, Mapping) else None
    if batch and batch.differs is not None and batch.size is not None and optimizer_size not in (None, batch.size):
        yield Fault(
            f"optimizer.batch_size_per_gpu is {optimizer_size}, but the dataloader's batch size per GPU is"
            f" {batch.size}",
            f"set optim_wrapper.optimizer.batch_size_per_gpu={batch.size}",
            option="optim_wrapper.optimizer.batch_size_per_gpu",
            edits=[set_option("optim_wrapper.optimizer.batch_size_per_gpu", batch.size)],
        )
