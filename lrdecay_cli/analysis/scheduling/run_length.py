"""How many iterations a run has, from what the config says and what the user knows."""

from __future__ import annotations

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.schedule import RunLength, TrainingPlan

# Training images by the name of the annotation file, as MMDetection's and MMPretrain's datasets count them: COCO
# without the images that have no object (filter_empty_gt).
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
    """The length of a run.

    Args:
        plan: what the config says.
        iterations_per_epoch: ``--iters-per-epoch``.
        dataset_size: ``--dataset-size``, samples before any RepeatDataset.
        gpus: ``--gpus``, which share the samples of an epoch.

    Returns:
        In iterations where these are known, or where nothing but iterations matters; in epochs where neither is so
        and every scheduler steps by epoch.

    Raises:
        LrdecayError: a scheduler needs the iterations of an epoch, and they are not known; or the two options are
            given together, or a dataset size without a batch size.
    """
    known, told = _iterations_per_epoch(plan, iterations_per_epoch, dataset_size, gpus)
    if known is None and (reason := _needs_iterations(plan)):
        dataset = next((known for name, known in _KNOWN.items() if (plan.annotations or "").endswith(name)), None)
        hint = f" ({dataset[0]}: {dataset[1]})" if dataset else " of training samples"
        raise LrdecayError(reason, where=plan.where, fix=f"give --iters-per-epoch N, or --dataset-size N{hint}")
    if not plan.by_epoch:
        return RunLength("iteration", plan.length, known, None, told)
    if known is None:
        return RunLength("epoch", plan.length, None, plan.length, "not known, and nothing depends on it")
    return RunLength("iteration", plan.length * known, known, plan.length, told)


def _iterations_per_epoch(
    plan: TrainingPlan, given: int | None, dataset_size: int | None, gpus: int
) -> tuple[int | None, str]:
    if given is not None and dataset_size is not None:
        raise LrdecayError("--iters-per-epoch and --dataset-size say the same", fix="give one of them")
    if given is not None:
        return given, "--iters-per-epoch"
    if plan.batches_per_epoch:
        return plan.batches_per_epoch, "train_dataloader.num_batch_per_epoch"
    if dataset_size is None:
        return None, "not known"
    if plan.batch_size is None:
        raise LrdecayError(
            "train_dataloader has no batch_size to divide --dataset-size by",
            where=plan.where,
            fix="give --iters-per-epoch N",
        )
    samples = dataset_size * plan.repeats
    # mmengine's DefaultSampler gives each GPU as many as the others; InfiniteSampler counts all of them for each.
    share = samples if plan.infinite else -(-samples // gpus)
    batches = share // plan.batch_size if plan.drop_last else -(-share // plan.batch_size)
    if not batches:
        raise LrdecayError(f"{samples} samples fill no batch of {plan.batch_size}", where="--dataset-size")
    repeated = f" × {plan.repeats} (RepeatDataset)" if plan.repeats > 1 else ""
    shared = f" × {gpus} GPUs" if gpus > 1 and not plan.infinite else ""
    return batches, f"{dataset_size:,} samples{repeated} / (batch {plan.batch_size}{shared})"


def _needs_iterations(plan: TrainingPlan) -> str:
    """Why the run cannot be followed without the iterations of an epoch; empty if it can."""
    for path, settings in plan.schedulers:
        called = f"{settings['type']} at {path}"
        if settings.get("convert_to_iter_based"):
            return f"{called} turns epochs into iterations, and how many an epoch has is not known"
        if plan.by_epoch and not settings.get("by_epoch", True):
            return f"{called} counts iterations, and how many an epoch has is not known"
    return ""
