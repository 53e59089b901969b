"""A rule about options that the constructor never reads, such as the options of another constructor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrdecay_cli.constructors import CONSTRUCTORS, RATE_ELSEWHERE, ConstructorSpec
from lrdecay_cli.rules.api import (
    PARAMWISE,
    Edit,
    Example,
    Fault,
    Fix,
    RuleContext,
    as_python,
    count,
    default_with,
    delete_option,
    in_its_place,
    keys_fix,
    move_option,
    our_fix,
    rule,
    set_option,
    spelling_fix,
    verb,
)
from lrdecay_cli.rules.options.unread import (
    OF_KEYS,
    keys_of,
    parameters_changed_by,
    readers,
    suggest_option,
    unread_options,
    value_of,
)


@rule(
    "LRD501",
    "option-never-read",
    severity="error",
    also=("warning", "info"),
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))))"),
    good=default_with("custom_keys=dict(head=dict(lr_mult=10.0))"),
)
def option_never_read(context: RuleContext) -> Iterator[Fault]:
    """The constructor never reads an option of ``paramwise_cfg``.

    The option has no effect, whatever its value is. The training gives no error, no warning and no line in the log.

    lrdecay runs the constructor and records which options the constructor reads. For example, MMDetection's layer-decay
    constructor reads ``num_layers``, ``decay_rate`` and ``decay_type``. It ignores ``custom_keys`` and every option
    that ends in ``_mult``. mmengine's default constructor reads no decay rate. If the option would change no tensor,
    the severity is info. LRD502 reports unread options from a base config, LRD503 misspelt options.

    Write the settings of a module, such as ``head=dict(lr_mult=10)``, into ``custom_keys``. Only mmaction2's
    constructor for Swin reads such settings directly from ``paramwise_cfg``.
    """
    # One fault for each option, one for all layer-decay options together, one for keys outside custom_keys.
    inherited = {*context.group_map.training.inherited}
    options = [
        option
        for option in unread_options(context)
        if option not in inherited and suggest_option(context, option) is None
    ]
    bare = [option for option in options if _is_bare_key(context, option)]
    if bare:
        yield _keys_outside(context, bare)
    for option in options:
        if option in bare:
            continue
        # Report the options of the decay together.
        decay = next((spec.decay_options for spec in CONSTRUCTORS if option in spec.decay_options), ())
        together = [other for other in decay if other in options] or [option]
        if option != together[0]:
            continue
        value = value_of(context.options, option)
        parameters = parameters_changed_by(context, option, value)
        # lrdecay's constructor has an option 'backbone' too, but it is a path, not a dict.
        known = [] if isinstance(value, Mapping) and option != "custom_keys" else readers(option)
        unused = parameters == ()
        message = f"{context.constructor} never reads {' and '.join(together)}"
        if unused:
            message += ", which would change no tensor"
        elif parameters:
            message += f", which would change {count(len(parameters), 'tensor')}"
        yield Fault(
            message,
            _fix(context, together, known),
            parameters=parameters or (),
            option=f"{PARAMWISE}.{option}",
            severity="info" if unused else "error" if known else "warning",
            edits=_edits(context, together, known),
        )


def _is_bare_key(context: RuleContext, option: str) -> bool:
    """Return True if an option should be an entry of ``custom_keys``, such as ``head=dict(lr_mult=10)``.

    The option's name has to be part of a parameter name. The option's value has to be a dict of settings such as
    ``lr_mult``.
    """
    value = context.options.get(option)
    is_key = isinstance(value, Mapping) and bool(value) and {*value} <= {"lr_mult", "decay_mult", "lr", "weight_decay"}
    reads_keys = context.spec.custom_keys is not None and option != "custom_keys"
    return is_key and reads_keys and any(option in name for name in context.tensors)


def _keys_outside(context: RuleContext, options: list[str]) -> Fault:
    """Return a fault about options that should be entries of ``custom_keys``, with a fix that moves them there.

    If several keys match a parameter, mmengine applies only the longest. So the fix merges the settings of these keys.
    """
    given: Mapping[str, Any] = context.options.get("custom_keys") or {}
    moved = {option: dict(context.options[option]) for option in sorted(options)}
    keys = {**given, **moved}
    order = sorted(sorted(keys), key=len, reverse=True)
    edits = [move_option((*PARAMWISE.split("."), option), (*_CUSTOM_KEYS, option)) for option in moved]
    lacking: dict[str, tuple[str, dict[str, Any], list[str]]] = {}
    reached = []
    for name in context.trained:
        matching = [key for key in order if key in name]
        if not any(key in moved for key in matching):
            continue
        reached.append(name)
        wanted = {setting: value for key in reversed(matching) for setting, value in keys[key].items()}
        if wanted != dict(keys[matching[0]]):
            lacking.setdefault(repr((matching[0], wanted)), (matching[0], wanted, []))[2].append(name)
    steps = [f"move {', '.join(moved)} into custom_keys"]
    complete = True
    for winner, wanted, names in lacking.values():
        whole = {name for name in context.trained if next((key for key in order if key in name), None) == winner}
        if winner in moved and whole == {*names}:
            steps.append(f"write {winner!r}: {as_python(wanted)}")
            edits.append(set_option((*_CUSTOM_KEYS, winner), wanted))
            continue
        fix, more = keys_fix(names, context.trained, winner, wanted)
        steps.append(fix)
        edits += more
        complete = complete and bool(more)
    return Fault(
        f"{context.constructor} never reads {', '.join(moved)}; in custom_keys, {verb(len(moved), 'it', 'they')} would"
        f" change {count(len(reached), 'tensor')}",
        ", and ".join(steps),
        parameters=reached,
        option=f"{PARAMWISE}.{next(iter(moved))}",
        edits=edits if complete else (),
    )


_CUSTOM_KEYS = (*PARAMWISE.split("."), "custom_keys")


def _rate_fix(context: RuleContext, option: str) -> tuple[str, Sequence[Edit | Fix]] | None:
    """Return a fix if ``option`` is another constructor's name for the decay rate, for example ``layer_decay_rate``.

    The fix renames the option to this constructor's name for the decay rate. For any other option, return None.
    """
    here = context.spec.rate_option
    is_rate = option in RATE_ELSEWHERE or any(option == known.rate_option for known in CONSTRUCTORS)
    if not (context.spec.known and is_rate and here and here != option):
        return None
    value = context.options[option]
    return spelling_fix(
        context,
        keys_of(context, option),
        here,
        context.options,
        question=f"rename {option} to {here}, the option of {context.constructor}: {PARAMWISE}.{here}={value!r}",
    )


def _edits(context: RuleContext, options: list[str], known: list[ConstructorSpec]) -> Sequence[Edit | Fix]:
    if renamed := _rate_fix(context, options[0]):
        return renamed[1]
    if options[0] in OF_KEYS and context.spec.custom_keys is not None:
        return []
    removed: list[Edit | Fix] = [delete_option(keys_of(context, option)) for option in options]
    if known and (context.decay_rate is not None or not known[0].serves(context.group_map.model.backbone)):
        return [*removed, *our_fix(context, context.options)]
    return removed


def _fix(context: RuleContext, options: list[str], known: list[ConstructorSpec]) -> str:
    option = options[0]
    if renamed := _rate_fix(context, option):
        return renamed[0]
    if option in OF_KEYS and context.spec.custom_keys is not None:
        return f"write custom_keys={{'backbone': dict({option}={context.options[option]!r})}}, with the intended module"
    remove = f"remove {' and '.join(options)}"
    # Another constructor must keep the layer decay of this one and support the backbone.
    if known and (context.decay_rate is not None or not known[0].serves(context.group_map.model.backbone)):
        return f"{remove}, or use {in_its_place(context)}"
    them = verb(len(options), "it", "them")
    return f"{remove}, or use a constructor that reads {them}: {known[0].name}" if known else remove
