"""Constructors that build one optimizer for each part of a model, each with mmengine's default constructor.

Sources: mmagic 1.2.0, ``mmagic/engine/optimizers/multi_optimizer_constructor.py``, ``pggan_optimizer_constructor.py``,
``singan_optimizer_constructor.py``; mmrazor 1.0.0, ``mmrazor/engine/optimizers/optimizer_constructor.py``. For PGGAN,
``train_step`` in mmagic's ``mmagic/models/editors/pggan/pggan.py`` shows which optimizers step in an iteration.

``optim_wrapper`` contains the settings of each optimizer under its name. Each optimizer may have a ``paramwise_cfg``.
For each part of the model, mmengine's constructor gets the parameter names without the prefix of the part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from lrdecay_cli.constructors import mmengine_default
from lrdecay_cli.constructors.precedence import own_step
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, ConstructorSpec
from lrdecay_cli.decay.options import DecayError, finite_number
from lrdecay_cli.decay.rules import TrainingParameter, read_base
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance

_RESET, _SCHEDULE = "reset_optim_for_new_scale", "lr_schedule"


class _Part(NamedTuple):
    """The part of a model that one optimizer trains."""

    key: str
    """Key of the part's settings in ``optim_wrapper``. Empty if ``optim_wrapper`` itself contains the settings."""
    prefix: str = ""
    """Prefix of parameter names in the part: ``generator.``. mmengine's constructor gets names without this prefix."""
    scale: str = ""
    """Image resolution for which the optimizer trains the part. ``lr_schedule`` may set an lr for a resolution."""


_Parts = Callable[[Mapping[str, Any], str], _Part]
"""A function that returns the part of the model that an optimizer trains.

Its arguments are ``optim_wrapper`` and the name of the optimizer. It raises DecayError if there is no such part.
"""


def _part_by_name(wrapper: Mapping[str, Any], optimizer: str) -> _Part:
    return _Part(optimizer, f"{optimizer}.")


def _numbered(wrapper: Mapping[str, Any], optimizer: str) -> tuple[str, str]:
    """Split the name of an optimizer into key and number: ``generator_128`` gives ``generator`` and ``128``."""
    key, _, number = optimizer.rpartition("_")
    if not isinstance(wrapper.get(key), Mapping):
        raise DecayError(f"optim_wrapper has no settings for optimizer {optimizer!r}")
    return key, number


def _part_of_block(wrapper: Mapping[str, Any], optimizer: str) -> _Part:
    key, number = _numbered(wrapper, optimizer)
    return _Part(key, f"{key}.blocks.{number}.")


def _part_of_scale(wrapper: Mapping[str, Any], optimizer: str) -> _Part:
    key, scale = _numbered(wrapper, optimizer)
    return _Part(key, f"{key}.", scale if wrapper.get(_RESET, True) else "")


def _turns_of_scales(wrapper: Mapping[str, Any], optimizers: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return sets of optimizers. In each set, only one optimizer steps at a time.

    PGGAN trains one image resolution (scale) after another, and a part of the model has an optimizer for each scale.
    The optimizers of one part form a set. mmagic's models step only the optimizer of the current scale.
    """
    of: dict[str, list[str]] = {}
    for optimizer in optimizers:
        of.setdefault(_numbered(wrapper, optimizer)[0], []).append(optimizer)
    return tuple(map(tuple, of.values()))


class _Rules(ConstructorRules):
    def __init__(self, inputs: ConstructorInputs, parts: _Parts) -> None:
        self._inputs, self._parts = inputs, parts
        self._known: dict[
            tuple[str, float | None, float | None], tuple[_Part, ConstructorRules | None, Provenance]
        ] = {}

    def provenance(self, tensor: Tensor) -> Provenance:
        part, rules, own = self._of(tensor)
        if rules is not None:
            return rules.provenance(_within(tensor, part))
        return own

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        part, rules, _ = self._of(tensor)
        if rules is not None:
            return rules.considered(_within(tensor, part), provenance)
        if not part.scale:
            return ()
        if part.scale in self._schedule(part):
            return (RuleTrace(("lr",), _scheduled(part), "applies"),)
        # Equal for all scales without their own lr, so report these together.
        return (
            RuleTrace(("lr",), f"{_SCHEDULE}[{part.key!r}]", "no match", "lr_schedule has no lr for this resolution"),
        )

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        part, rules, _ = self._of(tensor)
        return () if rules is None else rules.remarks(_within(tensor, part), provenance)

    def _of(self, tensor: Tensor) -> tuple[_Part, ConstructorRules | None, Provenance]:
        """Return what determines the lr and weight decay of a tensor in its optimizer.

        Returns:
            Three values: the part of the model that the optimizer trains; the rules of mmengine's constructor, or None
            if the part has no ``paramwise_cfg``; and the formulas that apply without ``paramwise_cfg``.
        """
        group = tensor.group
        if group is None:
            raise DecayError("no optimizer has this parameter", where=tensor.name)
        key = (group.optimizer, group.lr, group.weight_decay)
        if key not in self._known:
            part = self._parts(self._inputs.wrapper, group.optimizer)
            settings = self._inputs.wrapper.get(part.key) if part.key else self._inputs.wrapper
            settings = settings if isinstance(settings, Mapping) else {}
            optimizer, options = settings.get("optimizer") or {}, settings.get("paramwise_cfg") or {}
            inputs = replace(
                self._inputs,
                spec=mmengine_default.SPEC,
                options=options,
                optimizer=optimizer,
                base_lr=read_base(optimizer.get("lr"), "lr"),
                base_weight_decay=read_base(optimizer.get("weight_decay"), "weight_decay"),
                default_lr=group.lr,
                default_weight_decay=group.weight_decay,
            )
            make = mmengine_default.SPEC.make_rules
            rules = make(inputs, [], None) if make and options else None
            lr = own_step("base_lr", inputs.base_lr, inputs.default_lr)
            if part.scale and (scheduled := self._schedule(part).get(part.scale)) is not None:
                number = finite_number(scheduled, f"optim_wrapper.{_SCHEDULE}.{part.key}.{part.scale}")
                lr = Formula(_scheduled(part), repr(number), number, {"lr": number}, "given", expression="lr")
            decay = own_step("base_weight_decay", inputs.base_weight_decay, inputs.default_weight_decay)
            self._known[key] = part, rules, Provenance(None, None, lr, decay)
        return self._known[key]

    def _schedule(self, part: _Part) -> Mapping[str, Any]:
        schedule = self._inputs.wrapper.get(_SCHEDULE) or {}
        own: Mapping[str, Any] = schedule.get(part.key) or {}
        return own


def _scheduled(part: _Part) -> str:
    return f"{_SCHEDULE}[{part.key!r}][{part.scale!r}]"


def _within(tensor: Tensor, part: _Part) -> Tensor:
    """Return the tensor with the name that mmengine's constructor gets: without the prefix of the part."""
    if not tensor.seen.startswith(part.prefix):
        problem = "the parameter is shared, and has another name in the part of the model that its optimizer trains"
        raise DecayError(problem, where=tensor.name)
    return replace(tensor, seen=tensor.seen.removeprefix(part.prefix))


def _part_of_modules(wrapper: Mapping[str, Any], optimizer: str) -> _Part:
    """Return the part of the model that an optimizer trains.

    For an optimizer that trains several modules, or the modules that match a regular expression, the prefix of the part
    is wrong. lrdecay does not use this prefix, because such an optimizer has no ``paramwise_cfg``.
    """
    named = wrapper.get(optimizer)
    module = named.get("modules") if isinstance(named, Mapping) else None
    return _Part(optimizer, f"{module if isinstance(module, str) else optimizer}." if optimizer else "")


def _raise_cause(inputs: ConstructorInputs, parameters: Sequence[TrainingParameter]) -> None:
    """Check the settings of each optimizer. Raise DecayError with the cause if the constructor cannot use them.

    The constructor's own error would be unclear, because it names only a key or an argument.
    """
    wrapper, name = inputs.wrapper, inputs.spec.name
    own = {key: each for key, each in wrapper.items() if isinstance(each, Mapping) and key != _SCHEDULE}
    modules = {parameter.name.partition(".")[0] for parameter in parameters}
    for key, settings in own.items():
        options = settings.get("paramwise_cfg") or {}
        place = f"optim_wrapper.{key}"
        if options and (settings.get("optimizer") or {}).get("weight_decay") is None:
            named = [option for option in options if option.endswith("_decay_mult")]
            if named:
                raise DecayError(
                    f"{', '.join(named)} needs a weight decay to multiply, but the config sets none",
                    where=f"{place}.paramwise_cfg",
                    fix=f"set {place}.optimizer.weight_decay",
                )
        if inputs.spec is MULTI_SPEC:
            if "modules" not in settings and any("modules" in each for each in own.values()):
                problem = "this optimizer has no option 'modules', but another optimizer has this option"
                raise DecayError(problem, where=place, fix=f"set {place}.modules={key!r}")
            continue
        if key not in modules:
            problem = f"the model has no module {key!r} with parameters for this optimizer"
            raise DecayError(problem, where=place, fix=f"use one of these names: {', '.join(sorted(modules))}")
        if inputs.spec is PGGAN_SPEC and wrapper.get(_RESET, True):
            if options:
                problem = f"{name} also passes paramwise_cfg to the optimizer wrapper, which rejects it"
                raise DecayError(problem, where=f"{place}.paramwise_cfg", fix=f"set optim_wrapper.{_RESET}=False")
            if key not in (wrapper.get(_SCHEDULE) or {}):
                problem = f"{name} needs an entry for {key!r}, at least an empty dict"
                raise DecayError(problem, where=f"optim_wrapper.{_SCHEDULE}", fix=f"add {key}=dict()")


def _spec(name: str, project: str, parts: _Parts, short: str) -> ConstructorSpec:
    return ConstructorSpec(
        name=name,
        project=project,
        package=project,
        scope=project,
        short=short,
        lr_from="optimizers",
        makes_groups_without_options=True,
        exempting="set norm_decay_mult=0.0 or bias_decay_mult=0.0 in the paramwise_cfg of the parameter's optimizer",
        make_rules=lambda inputs, _names, _depth: _Rules(inputs, parts),
        raise_cause=_raise_cause,
    )


MULTI_SPEC = _spec("MultiOptimWrapperConstructor", "mmagic", _part_of_modules, "mmagic multi")
SINGAN_SPEC = _spec("SinGANOptimWrapperConstructor", "mmagic", _part_of_block, "mmagic SinGAN")
PGGAN_SPEC = replace(
    _spec("PGGANOptimWrapperConstructor", "mmagic", _part_of_scale, "mmagic PGGAN"), turns=_turns_of_scales
)
SEPARATE_SPEC = _spec("SeparateOptimWrapperConstructor", "mmrazor", _part_by_name, "mmrazor separate")
