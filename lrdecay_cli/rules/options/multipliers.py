"""A rule about constructor options that have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.recomputation import tensors_met
from lrdecay_cli.rules.api import (
    PARAMWISE,
    Example,
    Fault,
    RuleContext,
    count,
    default_with,
    delete_option,
    key_option,
    rule,
    set_option,
    verb,
)

_MULTIPLIERS = ("lr_mult", "decay_mult")


@rule(
    "LRD509",
    "option-without-effect",
    severity="warning",
    also=("error", "info"),
    bad=Example(
        "optim_wrapper = dict(constructor='$DEFAULT',\n"
        "    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4),\n"
        "    paramwise_cfg=dict(_delete_=True, flat_decay_mult=0.0))"
    ),
    good=default_with("flat_decay_mult=0.0"),
)
def option_without_effect(context: RuleContext) -> Iterator[Fault]:
    """The constructor reads an option that has no effect.

    The author expects the option to change an lr or a weight decay, but the training runs without this change.

    A multiplier of weight decay has no effect if the optimizer's ``weight_decay`` is missing or 0. MMPretrain's
    layer-decay constructor ignores ``lr_mult``.

    A multiplier may apply to no parameter of the model. ``norm_decay_mult`` applies only to torch's norms,
    ``dwconv_decay_mult`` only to 2-D depth-wise convolutions, and ``dcn_offset_lr_mult`` only to deformable
    convolutions. For a multiplier of 1, or a custom key that matches only frozen parameters, the finding is an info.
    """
    # One fault for each option that does nothing; decay multipliers without a weight decay together.
    yield from _nothing_to_multiply(context)
    yield from _ignored_lr(context)
    yield from _fits_nothing(context)
    yield from _ones(context)
    if context.decay_rate == 1:
        yield Fault(
            f"{context.decay_option}=1 gives every layer the same lr",
            f"set {context.decay_option} below 1, such as 0.7, or use the default constructor",
            option=f"{PARAMWISE}.{context.decay_option}",
            severity="info",
        )


def _nothing_to_multiply(context: RuleContext) -> Iterator[Fault]:
    optimizer = context.group_map.training.optim_wrapper.get("optimizer")
    given = optimizer.get("weight_decay") if isinstance(optimizer, dict) else None
    if given:
        return
    keys = [key for key, matches in context.custom_keys.items() if "decay_mult" in matches.settings]
    options = [multiplier.option for multiplier in context.multipliers if multiplier.target == "weight_decay"]
    options += [key_option(key, "decay_mult").removeprefix(f"{PARAMWISE}.") for key in keys]
    if not options:
        return
    default, kind = context.group_map.base_weight_decay, context.group_map.optimizer.type
    reason = "the optimizer has weight_decay=0"
    fix = "set optim_wrapper.optimizer.weight_decay=0.05, or remove these options"
    edits = [] if context.without_weight_decay else [set_option("optim_wrapper.optimizer.weight_decay", 0.05)]
    if context.without_weight_decay:
        reason = f"{kind} does not support weight decay"
        fix = "remove these options, or use an optimizer with weight decay"
    elif given is None:
        reason = f"the config sets no weight_decay, so all groups use {kind}'s default {default or 0:g}"
    yield Fault(
        f"{', '.join(options)} {verb(len(options), 'has', 'have')} no effect: {reason}",
        fix,
        option=f"{PARAMWISE}.{options[0]}",
        severity="warning" if given is None else "info",
        edits=edits,
    )


def _ignored_lr(context: RuleContext) -> Iterator[Fault]:
    if context.spec.keys_set_lr:
        return
    for key, matches in context.custom_keys.items():
        for setting in ("lr_mult", "lr"):
            value = matches.settings.get(setting)
            if value is not None and not (setting == "lr_mult" and value == 1) and matches.wins:
                yield Fault(
                    f"{context.spec.name} ignores {setting}={value!r} of custom key {key!r}: "
                    "the lr depends only on the layer id",
                    f"remove {setting}, or use a constructor that reads it",
                    parameters=matches.wins,
                    option=key_option(key, setting),
                    severity="error",
                    edits=[delete_option(key_option(key, setting))],
                )


def _fits_nothing(context: RuleContext) -> Iterator[Fault]:
    for multiplier in context.multipliers:
        if multiplier.target == "weight_decay" and not context.group_map.base_weight_decay:
            continue
        if any(multiplier.fit(tensor).fits for tensor in tensors_met(context.group_map)):
            continue
        # norm_decay_mult and bias_decay_mult do not match custom norms and in_proj_bias.
        kind = multiplier.option.partition("_")[0]
        missed = [name for name, decay in context.weight_decays.items() if decay and context.kinds.get(name) == kind]
        message = f"{multiplier.option}={context.options[multiplier.option]!r} matches no parameter of the model"
        yield Fault(
            f"{message}, not even {missed[0]!r}" if missed else message,
            f"use {PARAMWISE}.flat_decay_mult, which matches all 1-D parameters"
            if missed
            else f"remove {multiplier.option}",
            parameters=missed,
            option=f"{PARAMWISE}.{multiplier.option}",
            severity=None if missed else "info",
            edits=() if missed else [delete_option(f"{PARAMWISE}.{multiplier.option}")],
        )


def _ones(context: RuleContext) -> Iterator[Fault]:
    for multiplier in context.multipliers:
        if context.options[multiplier.option] == 1 and not context.custom_keys:
            yield Fault(
                f"{multiplier.option}=1 changes nothing",
                f"remove {multiplier.option}, or set the value that you intended",
                option=f"{PARAMWISE}.{multiplier.option}",
                severity="info",
                edits=[delete_option(f"{PARAMWISE}.{multiplier.option}")],
            )
    takes = {winner for matches in context.custom_keys.values() for winner in matches.overridden.values()}
    for key, matches in context.custom_keys.items():
        path = key_option(key)
        if matches.frozen and not (matches.wins or matches.overridden):
            if matches.settings.get("lr_mult", 1) == 1:
                continue  # An exemption of frozen tensors is harmless.
            yield Fault(
                f"custom key {key!r} matches only {count(len(matches.frozen), 'frozen tensor')}",
                f"remove {key!r}, or unfreeze these tensors",
                parameters=matches.frozen,
                option=path,
                severity="info",
                edits=[delete_option(path)],
            )
        elif (
            matches.wins
            and key not in takes
            and not matches.switches_off
            and all(setting in _MULTIPLIERS and value == 1 for setting, value in matches.settings.items())
        ):
            yield Fault(
                f"custom key {key!r} changes nothing: the key sets no multiplier other than 1",
                f"remove {key!r}, or set the value that you intended",
                parameters=matches.wins,
                option=path,
                severity="info",
                edits=[delete_option(path)],
            )
