"""Rule LRD501: option-never-read."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.facts import MMDET_LAYER_DECAY
from lrdecay_cli.rules.api import (
    LAYER_DECAY,
    PARAMWISE,
    Example,
    Fault,
    RuleContext,
    count,
    in_its_place,
    lost,
    meant,
    mmdet_serves,
    readers,
    rule,
    same_here,
    unread,
    value_of,
)


@rule(
    "LRD501",
    "option-never-read",
    severity="error",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))))"),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys=dict(head=dict(lr_mult=10.0))))"
    ),
)
def option_never_read(context: RuleContext) -> Iterator[Fault]:
    """The constructor never reads an option of ``paramwise_cfg``.

    The option does nothing, whatever it says: no error, no warning, no trace in the log.

    What is read is observed while the constructor runs. MMDetection's decay constructor knows ``num_layers``,
    ``decay_rate`` and ``decay_type`` alone, and ignores ``custom_keys`` and every ``*_mult`` beside them; the default
    constructor knows no decay rate. Where the groups are as the option asks all the same, this is an info. Options that
    come from a base config are LRD502's, those that are mis-spelt LRD503's.
    """
    # One fault for each option, one for those of layer decay together.
    inherited = {*context.group_map.training.inherited}
    options = [option for option in unread(context) if option not in inherited and meant(context, option) is None]
    decay = [option for option in LAYER_DECAY if option in options]
    if decay:
        options = [option for option in options if option not in decay[1:]]
    for option in options:
        together = decay if option in decay[:1] else [option]
        value = value_of(context.options, option)
        parameters = lost(context, option, value)
        known = readers(option)
        dead = parameters == ()
        message = f"{context.constructor} never reads {' and '.join(together)}"
        if dead:
            message += ", and the groups are as if it did"
        elif parameters:
            message += f", which is meant for {count(len(parameters), 'tensor')}"
        yield Fault(
            message,
            _remedy(context, together, known),
            parameters=parameters or (),
            option=f"{PARAMWISE}.{option}",
            severity="info" if dead else "error" if known else "warning",
        )


def _remedy(context: RuleContext, options: list[str], known: list[str]) -> str:
    here = same_here(context, options[0])
    if here:
        return f"{context.constructor} calls it {here}: {PARAMWISE}.{here}={context.options[options[0]]!r}"
    remove = f"remove {' and '.join(options)}"
    # Another constructor must not lose the layer decay that this one makes, and has to serve the backbone.
    mmdet_only = MMDET_LAYER_DECAY in known[:1] and not mmdet_serves(context)
    if known and (context.decay_rate is not None or mmdet_only):
        return f"{remove}, or use {in_its_place(context)}"
    return (
        f"{remove}, or use a constructor that reads {'it' if len(options) == 1 else 'them'}: {known[0]}"
        if known
        else remove
    )
