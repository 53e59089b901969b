"""Rule LRD605: warm-up-too-long."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule

_MOST = 0.5


@rule(
    "LRD605",
    "warm-up-too-long",
    severity="error",
    bad=Example("param_scheduler = [dict(type='LinearLR', start_factor=0.001, begin=0, end=500)]"),
    good=Example("param_scheduler = [dict(type='LinearLR', start_factor=0.001, begin=0, end=500, by_epoch=False)]"),
)
def warm_up_too_long(context: RuleContext) -> Iterator[Fault]:
    """A warm-up is longer than the training, or takes most of it.

    The lr that the config asks for is never reached.

    A warm-up of hundreds of epochs is most often one of iterations that lacks ``by_epoch=False``: schedulers count
    epochs unless told otherwise. ``LinearLR`` without an ``end`` takes the whole training.
    """
    # One fault for each warm-up.
    for scheduler in context.schedulers:
        if not scheduler.is_warm_up or scheduler.family == "Constant" or not scheduler.acts:
            continue
        begin, end, length = scheduler.begin, scheduler.end, scheduler.length
        if end is None or length is None or (end - begin) <= _MOST * length or end - begin == 1:
            continue
        start, full = scheduler.value("start_factor", 1 / 3), scheduler.value("end_factor", 1.0)
        reached = start + (full - start) * min(1, (length - 1 - begin) / max(end - begin - 1, 1))
        own = "end" in scheduler.settings
        remedy = f"{scheduler.path}.end={max(1, round(length / 20)):g}" if begin == 0 else "an earlier end"
        if scheduler.unit == "epochs" and own and end > 2 * length:
            remedy = f"{scheduler.path}.by_epoch=False, if {end:g} iterations are meant"
        message = f"the warm-up takes {end - begin:g} {scheduler.unit} of a training of {length:g}"
        if end > length:
            message += f", which ends at {reached:.0%} of the lr"
        elif not own:
            message += ", for it has no end"
        yield Fault(
            message,
            remedy,
            option=f"{scheduler.path}.end" if own else scheduler.path,
            severity="error" if end > length else "warning",
        )
