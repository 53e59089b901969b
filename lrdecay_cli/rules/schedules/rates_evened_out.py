"""Rule LRD607: rates-evened-out."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, names, number, rule, trained

_CLOSE = 0.1
"""An ``eta_min`` from this share of the lowest lr on shows before the training's last steps."""


@rule(
    "LRD607",
    "rates-evened-out",
    severity="info",
    bad=Example("param_scheduler = [dict(type='OneCycleLR', eta_max=1e-3)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', eta_min_ratio=0.01)]"),
)
def rates_evened_out(context: RuleContext) -> Iterator[Fault]:
    """A scheduler brings groups of different lr to one and the same.

    Groups that ``lr_mult`` or layer decay set apart end with the same lr, or have it from the first step on.

    ``OneCycleLR`` with one ``eta_max`` writes it over the lr of every group; it takes a list with one value for each
    group. ``eta_min`` is one lr for all groups: close to the lowest of them, it leaves that one as it is and brings all
    others down to it. ``eta_min_ratio`` is relative to each group.
    """
    # One fault for each scheduler.
    for scheduler in context.schedulers:
        groups = [(group, lr) for group, lr in trained(scheduler.groups) if lr > 0]
        lrs = sorted({lr for _, lr in groups})
        if len(lrs) < 2 or not scheduler.acts:
            continue
        span = f"{lrs[0]:g} to {lrs[-1]:g}"
        one = number(scheduler.settings.get("eta_max"))
        if scheduler.family == "OneCycle" and one is not None:
            yield Fault(
                f"eta_max={one:g} of {scheduler.name} is written over the lr of all {len(groups)} groups ({span})",
                f"eta_max as a list with one lr for each of the {len(scheduler.groups)} groups",
                parameters=names([group for group, _ in groups]),
                option=f"{scheduler.path}.eta_max",
                severity="error",
            )
        lowest = scheduler.lowest()
        # Iterations in a training of epochs may end before the scheduler does.
        if lowest and _CLOSE * lrs[0] <= lowest < lrs[0] and (scheduler.length or scheduler.unit == "epochs"):
            base = context.group_map.base_lr or lrs[-1]
            yield Fault(
                f"eta_min={lowest:g} of {scheduler.name} is one lr for groups from {span}: all end there, at "
                f"{lowest / lrs[0]:.0%} of the lowest and {lowest / lrs[-1]:.2g} of the highest",
                "eta_min below that, such as 0"
                if scheduler.family == "Poly"
                else f"eta_min_ratio={lowest / base:.3g} in place of eta_min keeps the groups apart",
                parameters=names([group for group, _ in groups]),
                option=f"{scheduler.path}.eta_min",
            )
