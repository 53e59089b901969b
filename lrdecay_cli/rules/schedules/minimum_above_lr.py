"""Rule LRD601: minimum-above-lr."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, Scheduler, count, names, rule, trained

_NOTABLE = 0.01
"""Below this share of the highest lr, nothing is learnt at ``eta_min`` that could harm."""


@rule(
    "LRD601",
    "minimum-above-lr",
    severity="error",
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, eta_min=1e-5)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, eta_min_ratio=0.1)]"),
)
def minimum_above_lr(context: RuleContext) -> Iterator[Fault]:
    """The lr that a scheduler anneals to is at or above the lr that a group begins with.

    Annealing then raises the lr of these parameters: the lowest layers of a layer decay, or what ``lr_mult=0`` was to
    hold.

    ``eta_min`` is one absolute lr for all groups, while their own differ. ``eta_min_ratio`` is relative to each group's
    own lr and keeps the order of the layers.
    """
    # One fault for each scheduler.
    for scheduler in context.schedulers:
        if not scheduler.acts:
            continue
        ratio = scheduler.settings.get("eta_min_ratio")
        if scheduler.family.startswith("Cosine") and isinstance(ratio, (int, float)) and ratio >= 1:
            yield Fault(
                f"eta_min_ratio={ratio:g} lets {scheduler.name} end at {ratio:g} times the lr",
                "eta_min_ratio=0.01, or any ratio below 1",
                option=f"{scheduler.path}.eta_min_ratio",
            )
        lowest = scheduler.lowest()
        if lowest:
            yield from _above(context, scheduler, lowest)


def _above(context: RuleContext, scheduler: Scheduler, lowest: float) -> Iterator[Fault]:
    groups = [(group, lr) for group, lr in trained(scheduler.groups) if lr <= lowest]
    if not groups:
        return
    parameters = names([group for group, _ in groups])
    least = min(lr for _, lr in groups)
    raised = "keeps it where it is" if least == lowest else "raises it"
    if 0 < least < lowest:
        raised += f" up to {lowest / least:.3g} times"
    elif least == 0 and lowest > 0:
        raised += " from 0, so they do train"
    base = context.group_map.base_lr
    highest = max(lr for _, lr in trained(scheduler.groups))
    if scheduler.family == "Poly":
        remedy = f"{scheduler.path}.eta_min=0, or any lr below {least:g}"
    else:
        ratio = min(lowest / base, 0.1) if base else 0.01
        remedy = f"eta_min_ratio={ratio:.3g} in place of eta_min keeps the groups apart"
    yield Fault(
        f"eta_min={lowest:g} of {scheduler.name} is not below the lr of {count(len(parameters), 'tensor')} "
        f"(from {least:g}): annealing {raised}",
        remedy,
        parameters=parameters,
        option=f"{scheduler.path}.eta_min",
        severity=None if least == 0 or (least < lowest and lowest >= _NOTABLE * highest) else "warning",
    )
