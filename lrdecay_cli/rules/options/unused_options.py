"""Options that nothing reads: of another constructor, misspelt, or in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors import ConstructorSpec, find_constructor
from lrdecay_cli.domain.training import RUNNER_KEYS, Training
from lrdecay_cli.files.mmcv1 import OPTIMIZER_KEYS, as_mmengine, is_mmcv_style
from lrdecay_cli.rules.api import (
    OURS,
    PARAMWISE,
    Example,
    Fault,
    RuleContext,
    count,
    default_with,
    in_its_place,
    nearest,
    number_or_none,
    option_meant,
    our_settings,
    own_rate_option,
    parameters_changed_by,
    readers,
    rule,
    set_together,
    unread_options,
    value_of,
)
from lrdecay_cli.text.python_source import assignments


@rule(
    "LRD501",
    "option-never-read",
    severity="error",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))))"),
    good=default_with("custom_keys=dict(head=dict(lr_mult=10.0))"),
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
    options = [
        option
        for option in unread_options(context)
        if option not in inherited and option_meant(context, option) is None
    ]
    for option in options:
        together = [other for other in set_together(option) if other in options] or [option]
        if option != together[0]:
            continue
        value = value_of(context.options, option)
        parameters = parameters_changed_by(context, option, value)
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


def _remedy(context: RuleContext, options: list[str], known: list[ConstructorSpec]) -> str:
    here = own_rate_option(context, options[0])
    if here:
        return f"{context.constructor} calls it {here}: {PARAMWISE}.{here}={context.options[options[0]]!r}"
    remove = f"remove {' and '.join(options)}"
    # Another constructor must not lose the layer decay that this one makes, and has to serve the backbone.
    if known and (context.decay_rate is not None or not known[0].serves(context.group_map.model.backbone)):
        return f"{remove}, or use {in_its_place(context)}"
    return (
        f"{remove}, or use a constructor that reads {'it' if len(options) == 1 else 'them'}: {known[0].name}"
        if known
        else remove
    )


@rule(
    "LRD502",
    "inherited-option-never-read",
    severity="warning",
    bad=Example("optim_wrapper = dict(constructor='$DEFAULT')"),
    good=default_with("norm_decay_mult=0.0, flat_decay_mult=0.0"),
)
def inherited_option_never_read(context: RuleContext) -> Iterator[Fault]:
    """Options that a config inherits from ``_base_`` meet a constructor that never reads them.

    The config changed the constructor and kept the options of the old one, so what its base asks for is silently gone.

    Fields of a dict are merged with the base's: ``paramwise_cfg=dict(decay_rate=0.7, ...)`` keeps the base's
    ``norm_decay_mult``. ``_delete_=True`` in ``paramwise_cfg`` drops what is not wanted. Where the groups are as the
    options ask all the same, this is an info.
    """
    inherited = {*context.group_map.training.inherited}
    options = [option for option in unread_options(context) if option in inherited]
    if not options:
        return
    losses = [parameters_changed_by(context, option, context.options.get(option)) for option in options]
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


@rule(
    "LRD503",
    "option-misspelt",
    severity="error",
    bad=default_with("norm_decay_mul=0.0, bias_decay_mult=0.0"),
    good=default_with("norm_decay_mult=0.0, bias_decay_mult=0.0"),
)
def option_misspelt(context: RuleContext) -> Iterator[Fault]:
    """An option of ``paramwise_cfg`` is spelt almost like one that the constructor has.

    The constructor asks for the right name, does not find it and goes by its default, without a word.

    Of a constructor of your own the right names are those that it was seen to ask for while it made the groups.
    """
    inherited = {*context.group_map.training.inherited}
    for option in unread_options(context):
        name = option_meant(context, option)
        if name is None or option in inherited:
            continue
        value = value_of(context.options, option)
        parameters = parameters_changed_by(context, name, value) or ()
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


_PLACES = {
    "paramwise_cfg": "optim_wrapper.paramwise_cfg",
    "constructor": "optim_wrapper.constructor",
    "optimizer": "optim_wrapper.optimizer",
    "custom_keys": "optim_wrapper.paramwise_cfg.custom_keys",
    "clip_grad": "optim_wrapper.clip_grad",
    "accumulative_counts": "optim_wrapper.accumulative_counts",
    "optimizer_config": "optim_wrapper",
    "lr_config": "param_scheduler",
}
_CHANGES_GROUPS = ("paramwise_cfg", "constructor", "custom_keys")


@rule(
    "LRD510",
    "option-misplaced",
    severity="warning",
    bad=Example("paramwise_cfg = dict(custom_keys=dict(head=dict(lr_mult=10.0)))"),
    good=Example("paramwise_cfg = dict(num_layers=6)\noptim_wrapper = dict(paramwise_cfg=paramwise_cfg)"),
)
def option_misplaced(context: RuleContext) -> Iterator[Fault]:
    """A setting of the optimizer wrapper or the schedule stands where nothing reads it.

    mmengine looks in ``optim_wrapper`` for the optimizer and its groups, in ``param_scheduler`` for the schedule and in
    ``train_cfg`` for the length of the training; any other name may stand in a config without a complaint.

    ``paramwise_cfg`` at the top of a config is the common one, and what MMCV 1 read is another: ``optimizer``,
    ``optimizer_config``, ``fp16``, ``lr_config`` and ``runner``. For these the remedy is what to write instead,
    computed from their values. A top-level name that is almost one of mmengine's (``optim_wraper``,
    ``param_schedulers``) is taken for a misspelt one. A variable that the config, or the base that it is from, uses in
    its other settings is no mistake and not reported.
    """
    training = context.group_map.training
    old = {key: value for key, value in training.misplaced.items() if is_mmcv_style(key, value)}
    for path, value in training.misplaced.items():
        name = path.rpartition(".")[2]
        if path in old:
            yield from _of_mmcv(context, old, path)
            continue
        if (like := nearest(path, RUNNER_KEYS)) and path not in _PLACES:
            yield Fault(f"{path} is read by nothing", f"did you mean {like}?", option=path, severity="error")
            continue
        place = _PLACES.get(name, f"optim_wrapper.{name}")
        if value in (None, {}, []) or _holds(_at(training.optim_wrapper, place), value):
            continue
        beside = _at(training.optim_wrapper, place) is not None
        yield Fault(
            f"{path} is read by nothing{f'; {place} is, and says otherwise' if beside else ''}",
            f"move it to {place}",
            option=path,
            severity="error" if name in _CHANGES_GROUPS else None,
        )


def _of_mmcv(context: RuleContext, old: Mapping[str, Any], key: str) -> Iterator[Fault]:
    """What MMCV 1 read, with what to write for mmengine; all that belongs into ``optim_wrapper`` together."""
    training = context.group_map.training
    present: dict[str, Any] = {"optim_wrapper": training.optim_wrapper, "train_cfg": training.train_cfg}
    length = number_or_none(training.train_cfg.get("max_epochs", training.train_cfg.get("max_iters")))
    own = as_mmengine({key: old[key]}, length=length)
    if not own and key != "lr_config":
        return  # optimizer_config=dict(grad_clip=None)
    place = next(iter(own), "param_scheduler")
    if own and _holds(present.get(place), own[place]):
        return
    told = as_mmengine(old, length=length).get(place)
    first = next(name for name in old if name in (OPTIMIZER_KEYS if place == "optim_wrapper" else (key,)))
    if told is None:
        remedy = f"write {place} anew: mmengine has no policy {old[key].get('policy')!r}"
    elif key != first and place == "optim_wrapper":
        remedy = f"it is in what to write for {first}"
    elif unfit := _unfit(context, told):
        beside = _over_base(
            training, place, {key: told[key] for key in told if key not in ("constructor", "paramwise_cfg")}
        )
        written_so = our_settings(context, told.get("paramwise_cfg") or {}, beside=beside)
        remedy = f"{unfit.name} does not serve this backbone; in its place, with {OURS.label}: {written_so}"
    else:
        settings = _over_base(training, place, told)
        remedy = f"{'in its place' if len(old) == 1 else 'in place of it'}: {assignments({place: settings})}"
    says = "; optim_wrapper.optimizer is, and says otherwise" if key == "optimizer" else ""
    yield Fault(f"{key} is read by nothing{says}", remedy, option=key)


def _unfit(context: RuleContext, told: Any) -> ConstructorSpec | None:
    """The constructor that is named, if it does not serve the model's backbone."""
    spec = find_constructor(str(told.get("constructor", ""))) if isinstance(told, Mapping) else None
    return None if spec is None or spec.serves(context.group_map.model.backbone) else spec


def _over_base(training: Training, place: str, settings: Any) -> Any:
    """The settings so that nothing of a base's stays beside them that does not go with them."""
    if place not in (training.from_bases or ()):
        return settings
    if place == "train_cfg":
        return {"_delete_": True, **settings} if {*training.train_cfg} - {*settings} - {"val_interval"} else settings
    base = training.optim_wrapper.get("optimizer")
    if place == "optim_wrapper" and "optimizer" in settings and isinstance(base, Mapping):
        new = settings["optimizer"]
        if base.get("type") != new.get("type") or {*base} - {*new}:
            return {**settings, "optimizer": {"_delete_": True, **new}}
    return settings


def _at(optim_wrapper: Mapping[str, Any], place: str) -> Any:
    found: Any = {"optim_wrapper": optim_wrapper}
    for key in place.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _holds(placed: Any, value: Any) -> bool:
    """Whether the right place says the same, and maybe more."""
    if isinstance(placed, Mapping) and isinstance(value, Mapping):
        return all(key in placed and _holds(placed[key], item) for key, item in value.items())
    return bool(placed == value)
