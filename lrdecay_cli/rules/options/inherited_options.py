"""A rule about options that the config inherits, and that the constructor never reads."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, count, default_with, delete_option, rule
from lrdecay_cli.rules.options.unread import keys_of, parameters_changed_by, unread_options


@rule(
    "LRD502",
    "inherited-option-never-read",
    severity="warning",
    also=("info",),
    bad=Example("optim_wrapper = dict(constructor='$DEFAULT')"),
    good=default_with("norm_decay_mult=0.0, flat_decay_mult=0.0"),
)
def inherited_option_never_read(context: RuleContext) -> Iterator[Fault]:
    """The constructor never reads options that the config inherits from ``_base_``.

    The config replaced the constructor of its base config, but kept the options of that constructor. These options have
    no effect, and the training gives no warning.

    mmengine merges a dict with the same dict of the base config: ``paramwise_cfg=dict(decay_rate=0.7, ...)`` keeps
    ``norm_decay_mult`` from the base. Set ``_delete_=True`` in ``paramwise_cfg`` to drop inherited options. If the
    options would change no tensor, the severity is info.
    """
    inherited = {*context.group_map.training.inherited}
    options = [option for option in unread_options(context) if option in inherited]
    if not options:
        return
    losses = [parameters_changed_by(context, option, context.options.get(option)) for option in options]
    unused = all(parameters == () for parameters in losses)
    parameters = [name for names in losses for name in names or ()]
    message = f"{context.constructor} never reads {', '.join(options)}, inherited from a base config"
    if unused:
        message += ", which would change no tensor"
    elif parameters:
        message += f", which would change {count(len({*parameters}), 'tensor')}"
    yield Fault(
        message,
        "drop settings of the base with paramwise_cfg=dict(_delete_=True, ...)",
        parameters=parameters,
        option=f"{PARAMWISE}.{options[0]}" if len(options) == 1 else PARAMWISE,
        severity="info" if unused else None,
        edits=[delete_option(keys_of(context, option)) for option in options],
    )
