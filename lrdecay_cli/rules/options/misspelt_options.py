"""A rule about misspelt options of the constructor."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Fault, RuleContext, default_with, rule, spelling_fix
from lrdecay_cli.rules.options.unread import keys_of, parameters_changed_by, suggest_option, unread_options, value_of


@rule(
    "LRD503",
    "option-misspelt",
    severity="error",
    bad=default_with("norm_decay_mul=0.0, bias_decay_mult=0.0"),
    good=default_with("norm_decay_mult=0.0, bias_decay_mult=0.0"),
)
def option_misspelt(context: RuleContext) -> Iterator[Fault]:
    """An option of ``paramwise_cfg`` is a misspelling of an option that the constructor reads.

    The constructor looks up only the correct name. It uses the default value, or the value that the config inherits
    from ``_base_``, without a warning.

    lrdecay records the names that your own constructor looks up while it builds the groups, and assumes that these
    names are correct.
    """
    inherited = {*context.group_map.training.inherited}
    for option in unread_options(context):
        name = suggest_option(context, option)
        if name is None or option in inherited:
            continue
        value = value_of(context.options, option)
        parameters = parameters_changed_by(context, name, value) or ()
        suggestion = f"{PARAMWISE}.{name}" if isinstance(value, dict) else f"{PARAMWISE}.{name}={value!r}"
        keys = keys_of(context, option)
        settings = context.options
        for key in keys[len(PARAMWISE.split(".")) : -1]:
            settings = settings[str(key)]
        fix, edits = spelling_fix(
            context, keys, name.rpartition(".")[2], settings, question=f"did you mean {suggestion}?"
        )
        yield Fault(
            f"{context.constructor} has no option {option}",
            fix,
            parameters=parameters,
            option=f"{PARAMWISE}.{option}",
            edits=edits,
        )
