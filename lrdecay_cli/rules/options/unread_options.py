"""Rules about options that the constructor never reads: options of another constructor, inherited or misspelt ones.

lrdecay runs the constructor and records which options it reads. Lists of known options are used only for suggestions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors import CONSTRUCTORS, PUBLISHED, RATE_ELSEWHERE, ConstructorSpec, rate_given
from lrdecay_cli.constructors.recomputation import tensors_met
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
    nearest,
    number_or_none,
    our_fix,
    rename_option,
    rule,
    set_option,
    verb,
)
from lrdecay_cli.rules.options.deleting import MISSPELT


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
        for option in _unread_options(context)
        if option not in inherited and _suggest_option(context, option) is None
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
        value = _value_of(context.options, option)
        parameters = _parameters_changed_by(context, option, value)
        # lrdecay's constructor has an option 'backbone' too, but it is a path, not a dict.
        known = [] if isinstance(value, Mapping) and option != "custom_keys" else _readers(option)
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


def _edits(context: RuleContext, options: list[str], known: list[ConstructorSpec]) -> list[Edit | Fix]:
    if here := _rate_here(context, options[0]):
        return [rename_option(_keys(context, options[0]), here)]
    if options[0] in _OF_KEYS and context.spec.custom_keys is not None:
        return []
    removed: list[Edit | Fix] = [delete_option(_keys(context, option)) for option in options]
    if known and (context.decay_rate is not None or not known[0].serves(context.group_map.model.backbone)):
        return [*removed, *our_fix(context, context.options)]
    return removed


def _keys(context: RuleContext, option: str) -> tuple[str | int, ...]:
    """Return the path of an option as a tuple of keys, because a key in ``paramwise_cfg`` may contain dots."""

    def below(options: Mapping[str, Any], path: str) -> tuple[str, ...] | None:
        if path in options:
            return (path,)
        for key, value in options.items():
            if isinstance(value, Mapping) and path.startswith(f"{key}."):
                rest = below(value, path.removeprefix(f"{key}."))
                if rest:
                    return (key, *rest)
        return None

    return (*PARAMWISE.split("."), *(below(context.options, option) or (option,)))


def _rate_here(context: RuleContext, option: str) -> str:
    """Return the config's constructor's name for the decay rate if ``option`` is another constructor's name for it.

    For example, return ``decay_rate`` for ``layer_decay_rate``. For any other option, return an empty text.
    """
    here = context.spec.rate_option
    is_rate = option in RATE_ELSEWHERE or any(option == known.rate_option for known in CONSTRUCTORS)
    known = context.spec.known and is_rate and here and here != option and here not in context.options
    return str(here) if known else ""


def _fix(context: RuleContext, options: list[str], known: list[ConstructorSpec]) -> str:
    option = options[0]
    if here := _rate_here(context, option):
        return (
            f"rename {option} to {here}, the option of {context.constructor}:"
            f" {PARAMWISE}.{here}={context.options[option]!r}"
        )
    if option in _OF_KEYS and context.spec.custom_keys is not None:
        return f"write custom_keys={{'backbone': dict({option}={context.options[option]!r})}}, with the intended module"
    remove = f"remove {' and '.join(options)}"
    # Another constructor must keep the layer decay of this one and support the backbone.
    if known and (context.decay_rate is not None or not known[0].serves(context.group_map.model.backbone)):
        return f"{remove}, or use {in_its_place(context)}"
    them = verb(len(options), "it", "them")
    return f"{remove}, or use a constructor that reads {them}: {known[0].name}" if known else remove


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
    options = [option for option in _unread_options(context) if option in inherited]
    if not options:
        return
    losses = [_parameters_changed_by(context, option, context.options.get(option)) for option in options]
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
        edits=[delete_option(_keys(context, option)) for option in options],
    )


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
    for option in _unread_options(context):
        name = _suggest_option(context, option)
        if name is None or option in inherited:
            continue
        value = _value_of(context.options, option)
        parameters = _parameters_changed_by(context, name, value) or ()
        suggestion = f"{PARAMWISE}.{name}" if isinstance(value, dict) else f"{PARAMWISE}.{name}={value!r}"
        keys = _keys(context, option)
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


def _unread_options(context: RuleContext) -> Iterator[str]:
    """Yield the options of ``paramwise_cfg`` that the constructor did not read. An unread dict counts as one option.

    For a constructor that lrdecay knows, entries of ``custom_keys`` are left out, because other rules check them.
    """
    reads = context.group_map.training.reads
    if reads is None or context.spec.options_are_keys:
        return iter(())
    return _unread(context.options, "", {*reads}, below=context.spec.custom_keys is None)


def _unread(options: Mapping[str, Any], path: str, reads: set[str], *, below: bool) -> Iterator[str]:
    for key, value in options.items():
        inner = f"{path}{key}"
        if key in ("_delete_", *MISSPELT):
            continue  # LRD513 reports it.
        if inner not in reads:
            yield inner
        elif below and isinstance(value, Mapping):
            yield from _unread(value, f"{inner}.", reads, below=True)


_OF_KEYS = ("lr_mult", "decay_mult", "lr", "weight_decay")


def _readers(option: str) -> list[ConstructorSpec]:
    """Return the known constructors that read this option.

    If the option is a decay rate, return every constructor with an option for the decay rate, whatever its name.
    """
    if option in RATE_ELSEWHERE:
        return [spec for spec in CONSTRUCTORS if spec.rate_option]
    return [spec for spec in CONSTRUCTORS if option in spec.options]


def _suggest_option(context: RuleContext, option: str) -> str | None:
    """Return the option of this constructor that a misspelt option resembles; None if no option is similar.

    lrdecay does not know the options of a user's own constructor. For such a constructor, it compares the misspelt
    option with the options that the constructor looks up in the same dict. For example, it compares
    ``custom_keys.head.lrr`` with ``custom_keys.head.lr``.
    """
    if context.spec.known:
        # An option of a project without a package, or of a custom key.
        elsewhere = any(option in spec.options for spec in PUBLISHED) or option in _OF_KEYS
        return None if elsewhere or _readers(option) else nearest(option, context.spec.options)
    training = context.group_map.training
    place, dot, name = option.rpartition(".")
    # An option that it looked up in vain is likelier than one that it found.
    for paths in (training.asked or (), training.reads or ()):
        names = [path.removeprefix(f"{place}{dot}") for path in paths if path.rpartition(".")[0] == place]
        if like := nearest(name, names):
            return f"{place}{dot}{like}"
    return None


def _value_of(options: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path within ``options``; None if the path does not exist. Keys may contain dots."""
    if path in options:
        return options[path]
    inner = (
        _value_of(value, path.removeprefix(f"{key}."))
        for key, value in options.items()
        if isinstance(value, Mapping) and path.startswith(f"{key}.")
    )
    return next((value for value in inner if value is not None), None)


def _parameters_changed_by(context: RuleContext, option: str, value: Any) -> tuple[str, ...] | None:
    """Return the parameters that ``option`` would change if the constructor read it; None if unknown."""
    known = (multiplier for spec in _readers(option) for multiplier in spec.multipliers)
    if multiplier := next((multiplier for multiplier in known if multiplier.option == option), None):
        fitting = [tensor.name for tensor in tensors_met(context.group_map) if multiplier.fit(tensor).fits]
        return tuple(_otherwise(context, fitting, {"lr_mult" if multiplier.target == "lr" else "decay_mult": value}))
    if option == "custom_keys" and isinstance(value, Mapping):
        changed: dict[str, None] = {}
        for key, settings in value.items():
            names = [name for name in context.weight_decays if str(key) in name]
            changed.update(dict.fromkeys(_otherwise(context, names, settings if isinstance(settings, Mapping) else {})))
        return tuple(changed)
    if option == "bypass_duplicate":
        # If the model has duplicates, torch refuses to build the optimizer without this option.
        return ()
    if any(option in spec.decay_options for spec in CONSTRUCTORS):
        return () if rate_given(context.options) == 1 else None
    return None


def _otherwise(context: RuleContext, names: Iterable[str], settings: Mapping[str, Any]) -> Iterator[str]:
    base = context.group_map.base_weight_decay or 0.0
    lr_mult, decay_mult = number_or_none(settings.get("lr_mult", 1)), number_or_none(settings.get("decay_mult", 1))
    further = any(key not in ("lr_mult", "decay_mult") for key in settings)
    for name in names:
        weight_decay = context.weight_decays.get(name)
        # A decay mult of 1 changes nothing.
        if weight_decay is not None and (
            lr_mult != 1 or further or decay_mult is None or (decay_mult != 1 and weight_decay != base * decay_mult)
        ):
            yield name
