"""Rule LRD503: option-misspelt."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, lost, meant, rule, unread, value_of


@rule(
    "LRD503",
    "option-misspelt",
    severity="error",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mul=0.0, bias_decay_mult=0.0))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, bias_decay_mult=0.0))"
    ),
)
def option_misspelt(context: RuleContext) -> Iterator[Fault]:
    """An option of ``paramwise_cfg`` is spelt almost like one that the constructor has.

    The constructor asks for the right name, does not find it and goes by its default, without a word.

    Of a constructor of your own the right names are those that it was seen to ask for while it made the groups.
    """
    # One fault for each.
    inherited = {*context.group_map.training.inherited}
    for option in unread(context):
        name = meant(context, option)
        if name is None or option in inherited:
            continue
        value = value_of(context.options, option)
        parameters = lost(context, name, value) or ()
        taken = f", which is set to {context.options[name]!r} besides" if name in context.options else ""
        yield Fault(
            f"{context.constructor} has no option {option}",
            f"did you mean {name}{taken}?"
            if taken
            else f"did you mean {PARAMWISE}.{name}={value!r}?"
            if not isinstance(value, dict)
            else f"did you mean {PARAMWISE}.{name}?",
            parameters=parameters,
            option=f"{PARAMWISE}.{option}",
        )
