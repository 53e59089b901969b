"""The rules of ``check``, by code; one file each."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.rules.context import RuleContext
from lrdecay_cli.rules.coverage import (
    foreign_tensor,
    frozen_in_group,
    held_twice,
    lr_zero_as_frozen,
    missing_from_groups,
    totals_differ,
)
from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.layers import (
    backbone_not_served,
    explanation_differs,
    fallen_to_head,
    hidden_by_wrapper,
    layer_gap,
    layer_id_range,
    not_monotonic,
    num_layers_misfit,
    stage_wise_num_layers,
)
from lrdecay_cli.rules.options import (
    custom_key_in_several_modules,
    custom_key_matches_nothing,
    custom_key_overrides_option,
    custom_key_shadowed,
    custom_setting_misspelt,
    inherited_option_never_read,
    loop_refused,
    option_misplaced,
    option_misspelt,
    option_never_read,
    option_without_effect,
    shared_parameter_by_other_key,
)
from lrdecay_cli.rules.project import (
    assertion_fails,
    assertion_matches_nothing,
    differs_from_baseline,
)
from lrdecay_cli.rules.scales import (
    decay_rate_range,
    logged_lr,
    lr_not_scaled,
    lr_underflow,
    many_groups,
    no_decay,
    scale_above_one,
    scale_without_lr,
    unusable_lr,
)
from lrdecay_cli.rules.schedules import (
    cosine_rises_again,
    epochs_for_iterations,
    gamma_out_of_range,
    minimum_above_lr,
    rates_evened_out,
    schedule_past_the_end,
    scheduler_never_acts,
    scheduler_refused,
    schedulers_do_not_join,
    warm_up_never_done,
    warm_up_too_long,
)
from lrdecay_cli.rules.suppressions import (
    suppression_expired,
    suppression_matches_nothing,
    suppression_of_unknown_rule,
    suppression_without_reason,
)
from lrdecay_cli.rules.weight_decay import (
    biases_decayed,
    everything_exempt,
    exemption_never_matches,
    layer_scale_decayed,
    norms_decayed,
    positions_decayed,
    tokens_decayed,
    weight_decay_missing,
)
from lrdecay_cli.text.spelling import did_you_mean

_CODE = re.compile(r"[A-Z]{0,4}([0-9][0-9OIL]*)[A-Z]?")

RULES: tuple[Rule, ...] = (
    missing_from_groups.RULE,
    held_twice.RULE,
    frozen_in_group.RULE,
    lr_zero_as_frozen.RULE,
    totals_differ.RULE,
    foreign_tensor.RULE,
    fallen_to_head.RULE,
    layer_id_range.RULE,
    num_layers_misfit.RULE,
    layer_gap.RULE,
    not_monotonic.RULE,
    stage_wise_num_layers.RULE,
    hidden_by_wrapper.RULE,
    backbone_not_served.RULE,
    explanation_differs.RULE,
    scale_above_one.RULE,
    decay_rate_range.RULE,
    no_decay.RULE,
    lr_not_scaled.RULE,
    scale_without_lr.RULE,
    unusable_lr.RULE,
    lr_underflow.RULE,
    many_groups.RULE,
    logged_lr.RULE,
    norms_decayed.RULE,
    biases_decayed.RULE,
    positions_decayed.RULE,
    tokens_decayed.RULE,
    layer_scale_decayed.RULE,
    exemption_never_matches.RULE,
    everything_exempt.RULE,
    weight_decay_missing.RULE,
    option_never_read.RULE,
    inherited_option_never_read.RULE,
    option_misspelt.RULE,
    custom_setting_misspelt.RULE,
    custom_key_matches_nothing.RULE,
    custom_key_shadowed.RULE,
    custom_key_in_several_modules.RULE,
    custom_key_overrides_option.RULE,
    option_without_effect.RULE,
    option_misplaced.RULE,
    shared_parameter_by_other_key.RULE,
    loop_refused.RULE,
    minimum_above_lr.RULE,
    warm_up_never_done.RULE,
    schedule_past_the_end.RULE,
    scheduler_refused.RULE,
    warm_up_too_long.RULE,
    schedulers_do_not_join.RULE,
    rates_evened_out.RULE,
    epochs_for_iterations.RULE,
    cosine_rises_again.RULE,
    scheduler_never_acts.RULE,
    gamma_out_of_range.RULE,
    differs_from_baseline.RULE,
    assertion_fails.RULE,
    assertion_matches_nothing.RULE,
    suppression_matches_nothing.RULE,
    suppression_without_reason.RULE,
    suppression_expired.RULE,
    suppression_of_unknown_rule.RULE,
)
"""In the order of their codes."""


def find_rule(code: str) -> Rule:
    """The rule with this code, in upper or lower case, or name. Raises LrdecayError, with the nearest, if none has."""
    for rule in RULES:
        if code.upper() == rule.code or code.lower() == rule.name:
            return rule
    raise _unknown(code, "rule")


def rules_beginning(prefix: str) -> tuple[Rule, ...]:
    """The rules whose codes begin so: ``LRD3``, in upper or lower case."""
    return tuple(rule for rule in RULES if prefix and rule.code.startswith(prefix.upper()))


def chosen_rules(select: Iterable[str], ignore: Iterable[str]) -> tuple[Rule, ...]:
    """The rules whose codes begin with one of ``select``, all if it is empty, but for those of ``ignore``.

    Where both name a rule, the longer prefix counts.

    Raises:
        LrdecayError: a code or prefix that no rule begins with.
    """
    selected, ignored = [_prefix(code, "--select") for code in select], [_prefix(code, "--ignore") for code in ignore]

    def longest(code: str, prefixes: list[str]) -> int:
        return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=-1)

    return tuple(rule for rule in RULES if longest(rule.code, selected or [""]) > longest(rule.code, ignored))


def _prefix(given: str, option: str) -> str:
    named = next((rule.code for rule in RULES if rule.name == given.lower()), None)
    prefix = named or given.upper()
    if prefix == "ALL":
        return ""
    if not rules_beginning(prefix):
        raise _unknown(given, option)
    return prefix


def rules_meant(given: str) -> str:
    """What somebody may have meant by what is no rule's code or name: ``did you mean LRD301?``; empty if not known."""
    typed = _CODE.fullmatch(given.upper())
    if typed is None:
        return did_you_mean(given, (rule.name for rule in RULES))
    # Another digit is another rule: nothing that a slip of the hand would explain.
    code = f"LRD{typed[1].translate(str.maketrans('OIL', '011'))}"
    for length in range(len(code), len("LRD"), -1):
        begun = [rule.code for rule in rules_beginning(code[:length])]
        if len(begun) == 1:
            return f"did you mean {begun[0]}?"
        if begun:
            return f"{begun[0]} to {begun[-1]} begin with {code[:length]}: lrdecay rule {code[:length]} lists them"
    return ""


def _unknown(given: str, where: str) -> LrdecayError:
    return LrdecayError(f"no rule {given!r}", where=where, remedy=rules_meant(given) or "lrdecay rule --all lists them")


__all__ = [
    "RULES",
    "Example",
    "Fault",
    "Rule",
    "RuleContext",
    "chosen_rules",
    "find_rule",
    "rules_beginning",
    "rules_meant",
]
