"""A rule about misspelt options of the constructor."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Fault, RuleContext, default_with, delete_option, rename_option, rule
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

    The constructor looks up the correct name, does not find it, and uses the default value without a warning.

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
        edit = rename_option(keys, name.rpartition(".")[2])
        if name in context.options:
            suggestion = f"{name}, which the config already sets to {context.options[name]!r}"
            edit = delete_option(keys)
        yield Fault(
            f"{context.constructor} has no option {option}",
            f"did you mean {suggestion}?",
            parameters=parameters,
            option=f"{PARAMWISE}.{option}",
            edits=[edit],
        )
