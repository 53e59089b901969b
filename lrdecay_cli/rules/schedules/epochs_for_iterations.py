"""Rule LRD608: epochs-for-iterations."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, Scheduler, number, rule, training_length, training_unit


@rule(
    "LRD608",
    "epochs-for-iterations",
    severity="error",
    bad=Example(
        "train_cfg = dict(_delete_=True, by_epoch=False, max_iters=90000)\n"
        "param_scheduler = [dict(type='MultiStepLR', milestones=[60000, 80000])]"
    ),
    good=Example(
        "train_cfg = dict(_delete_=True, by_epoch=False, max_iters=90000)\n"
        "param_scheduler = [dict(type='MultiStepLR', milestones=[60000, 80000], by_epoch=False)]"
    ),
)
def epochs_for_iterations(context: RuleContext) -> Iterator[Fault]:
    """A scheduler counts in epochs what the training counts in iterations, or the other way round.

    It never steps, or is over within the first few iterations, and the lr is not what the config says at any time.

    ``by_epoch`` of a scheduler is True unless told otherwise. To mmengine a training of iterations is a single epoch,
    in which a scheduler by epochs never steps: a warm-up leaves the lr at its first factor for good. In a training of
    epochs, milestones or an ``end`` of a few iterations were most likely meant as epochs;
    ``convert_to_iter_based=True`` counts in epochs and steps each iteration.
    """
    # One fault for each scheduler.
    train_cfg = context.group_map.training.train_cfg
    unit = training_unit(train_cfg)
    epochs = training_length(train_cfg, "epochs")
    for scheduler in context.schedulers:
        if unit == "iterations" and scheduler.unit == "epochs" and not scheduler.converted:
            told = "" if "by_epoch" in scheduler.settings else ", its default"
            factor = scheduler.value("factor" if scheduler.family == "Constant" else "start_factor", 1 / 3)
            stuck = scheduler.is_warm_up and scheduler.begin == 0 and factor != 1
            yield Fault(
                f"{scheduler.name} counts epochs (by_epoch=True{told}) in a training of iterations: it never steps"
                + (f", and the lr stays at {factor:.3g} of what it is" if stuck else ""),
                f"{scheduler.path}.by_epoch=False, with begin, end and milestones in iterations",
                option=f"{scheduler.path}.by_epoch",
            )
        elif unit == "epochs" and scheduler.unit == "iterations" and epochs is not None:
            yield from _over_at_once(scheduler, epochs)


def _over_at_once(scheduler: Scheduler, epochs: float) -> Iterator[Fault]:
    if scheduler.settings.get("convert_to_iter_based") is True:
        return
    given = scheduler.settings.get("milestones")
    steps = [step for step in given if number(step) is not None] if isinstance(given, (list, tuple)) else []
    option = "milestones" if steps else "end" if "end" in scheduler.settings else "T_max"
    last = max(steps) if steps else number(scheduler.settings.get(option))
    if last is None or last > epochs:
        return
    if scheduler.is_warm_up and last - scheduler.begin < 2:
        return
    yield Fault(
        f"{scheduler.name} counts iterations (by_epoch=False) and is over after {last:g} ({option}), in a training of "
        f"{epochs:g} epochs",
        f"{scheduler.path}.by_epoch=True, if epochs are meant; convert_to_iter_based=True steps it each iteration",
        option=f"{scheduler.path}.{option}",
        severity="warning" if scheduler.is_warm_up else None,
    )
