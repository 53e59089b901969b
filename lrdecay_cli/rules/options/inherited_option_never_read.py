"""Rule LRD502: inherited-option-never-read."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, count, lost, rule, unread


@rule(
    "LRD502",
    "inherited-option-never-read",
    severity="warning",
    bad=Example("optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor')"),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, flat_decay_mult=0.0))"
    ),
)
def inherited_option_never_read(context: RuleContext) -> Iterator[Fault]:
    """Options that a config inherits from ``_base_`` meet a constructor that never reads them.

    The config changed the constructor and kept the options of the old one, so what its base asks for is silently gone.

    Fields of a dict are merged with the base's: ``paramwise_cfg=dict(decay_rate=0.7, ...)`` keeps the base's
    ``norm_decay_mult``. ``_delete_=True`` in ``paramwise_cfg`` drops what is not wanted. Where the groups are as the
    options ask all the same, this is an info.
    """
    # One fault for all of them.
    inherited = {*context.group_map.training.inherited}
    options = [option for option in unread(context) if option in inherited]
    if not options:
        return
    losses = [lost(context, option, context.options.get(option)) for option in options]
    dead = all(parameters == () for parameters in losses)
    parameters = [name for names in losses for name in names or ()]
    message = f"{context.constructor} never reads {', '.join(options)}, inherited from a base config"
    if dead:
        message += "; the groups are as if it did"
    elif parameters:
        message += f", meant for {count(len({*parameters}), 'tensor')}"
    yield Fault(
        message,
        "paramwise_cfg=dict(_delete_=True, ...) drops what a base says",
        parameters=parameters,
        option=f"{PARAMWISE}.{options[0]}" if len(options) == 1 else PARAMWISE,
        severity="info" if dead else None,
    )
