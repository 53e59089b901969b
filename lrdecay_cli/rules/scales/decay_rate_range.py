"""Rule LRD302: decay-rate-out-of-range."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, rate, rule


@rule(
    "LRD302",
    "decay-rate-out-of-range",
    severity="warning",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=1.2))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.8))"),
)
def decay_rate_out_of_range(context: RuleContext) -> Iterator[Fault]:
    """The decay rate is above 1, 0 or negative.

    Above 1 the decay is turned round: the stem trains fastest and the head slowest, by factors that grow with the
    depth. At 0 nothing below the head trains at all, and a negative rate makes every second layer climb the loss.

    Take a rate between 0.6 and 0.95; the deeper the backbone, the nearer to 1.
    """
    # One fault, with the parameters that the rate makes faster, still or negative.
    decay = context.decay_rate
    if decay is None or 0 < decay <= 1:
        return
    held = [*context.backbone.held, *context.backbone.others]
    if decay > 1:
        wrong = [one for one in held if one.scale > 1 + 1e-9]
        told = (
            f", so that the lowest layers train up to {rate(max(one.scale for one in wrong))} times faster"
            if wrong
            else ""
        )
    else:
        wrong = [one for one in held if one.scale <= 0]
        told = ", so that what is below the head does not train" if decay == 0 else ", so that lrs are negative"
    yield Fault(
        f"{context.decay_option}={decay:g} is {'above 1' if decay > 1 else 'not above 0'}{told}",
        f"a rate between 0 and 1{f': {rate(1 / decay)} is its inverse' if decay > 1 else ', such as 0.9'}",
        parameters=[one.name for one in wrong],
        option=f"{PARAMWISE}.{context.decay_option}",
        severity=None if decay > 1 else "error",
    )
