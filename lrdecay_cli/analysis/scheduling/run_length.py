"""Compute the number of iterations of a run, from the config and command-line options."""

from __future__ import annotations

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.schedule import RunLength, TrainingPlan

# Number of training images by the name of the annotation file, as MMDetection's and MMPretrain's datasets count them:
# COCO without images that have no object (filter_empty_gt).
_KNOWN = {
    "instances_train2017.json": ("COCO train2017", 117_266),
    "meta/train.txt": ("ImageNet-1k", 1_281_167),
}


def run_length(
    plan: TrainingPlan,
    *,
    iterations_per_epoch: int | None = None,
    dataset_size: int | None = None,
    gpus: int = 1,
) -> RunLength:
    """Return the length of a run.

    Args:
        plan: the settings of the run in the config.
        iterations_per_epoch: value of ``--iters-per-epoch``.
        dataset_size: value of ``--dataset-size``: the number of samples, without repeats by RepeatDataset.
        gpus: value of ``--gpus``: the number of GPUs that share the samples of an epoch.

    Returns:
        The length in iterations if the number of iterations per epoch is known, or if the config counts the training
        in iterations. Otherwise, every scheduler steps by epoch, and the length is in epochs.

    Raises:
        LrdecayError: a scheduler needs the number of iterations per epoch, which is unknown; ``iterations_per_epoch``
            and ``dataset_size`` are both given; or ``dataset_size`` is given and the batch size is unknown.
    """
    known, source = _iterations_per_epoch(plan, iterations_per_epoch, dataset_size, gpus)
    if known is None and (reason := _needs_iterations(plan)):
        dataset = next((known for name, known in _KNOWN.items() if (plan.annotations or "").endswith(name)), None)
        hint = f" ({dataset[0]}: {dataset[1]})" if dataset else " of training samples"
        raise LrdecayError(reason, where=plan.where, fix=f"give --iters-per-epoch N, or --dataset-size N{hint}")
    if not plan.by_epoch:
        return RunLength("iteration", plan.length, known, None, source)
    if known is None:
        return RunLength(
            "epoch", plan.length, None, plan.length, "unknown and not needed, because no scheduler steps by iteration"
        )
    return RunLength("iteration", plan.length * known, known, plan.length, source)


def _iterations_per_epoch(
    plan: TrainingPlan, given: int | None, dataset_size: int | None, gpus: int
) -> tuple[int | None, str]:
    if given is not None and dataset_size is not None:
        raise LrdecayError(
            "--iters-per-epoch and --dataset-size are mutually exclusive", fix="give only one of the two options"
        )
    if given is not None:
        return given, "--iters-per-epoch"
    if plan.batches_per_epoch:
        return plan.batches_per_epoch, "train_dataloader.num_batch_per_epoch"
    if dataset_size is None:
        return None, "unknown"
    if plan.batch_size is None:
        raise LrdecayError(
            "train_dataloader has no batch_size, so --dataset-size cannot be converted to iterations",
            where=plan.where,
            fix="give --iters-per-epoch N",
        )
    samples = dataset_size * plan.repeats
    # mmengine's DefaultSampler splits the samples evenly among GPUs; InfiniteSampler counts all of them for each GPU.
    share = samples if plan.infinite else -(-samples // gpus)
    batches = share // plan.batch_size if plan.drop_last else -(-share // plan.batch_size)
    if not batches:
        raise LrdecayError(f"{samples} samples do not fill a batch of {plan.batch_size}", where="--dataset-size")
    repeated = f" × {plan.repeats} (RepeatDataset)" if plan.repeats > 1 else ""
    shared = f" × {gpus} GPUs" if gpus > 1 and not plan.infinite else ""
    return batches, f"{dataset_size:,} samples{repeated} / (batch {plan.batch_size}{shared})"


def _needs_iterations(plan: TrainingPlan) -> str:
    """Return why the schedule needs the number of iterations per epoch; empty if the schedule does not need it."""
    for path, settings in plan.schedulers:
        called = f"{settings['type']} at {path}"
        if settings.get("convert_to_iter_based"):
            return f"{called} converts epochs to iterations, but the number of iterations per epoch is unknown"
        if plan.by_epoch and not settings.get("by_epoch", True):
            return f"{called} counts iterations, but the number of iterations per epoch is unknown"
    return ""
