"""Explain why a constructor fails although the model builds.

One cause is a value of the wrong type in ``optim_wrapper``, for example a number in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mmengine.config import Config
from torch import nn

from lrdecay_cli.constructors import OURS
from lrdecay_cli.constructors.spec import ConstructorInputs
from lrdecay_cli.decay.families import find_family
from lrdecay_cli.decay.options import DecayError, ServedByOurs
from lrdecay_cli.decay.rules import TrainingParameter
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.openmmlab.config_values import plain, type_name
from lrdecay_cli.openmmlab.constructor_class import known_constructor
from lrdecay_cli.openmmlab.decay_constructor import unwrapped_model
from lrdecay_cli.openmmlab.failures.refused_options import misplaced_options, refused_option
from lrdecay_cli.openmmlab.failures.unknown_types import UnknownTypeError
from lrdecay_cli.optimizers import table

_SHARED = "some parameters appear in more than one parameter group"
_OPTIMIZER = "optim_wrapper.optimizer"
_PARAMWISE = "optim_wrapper.paramwise_cfg"
_KEYS = f"{_PARAMWISE}.custom_keys"
_NUMBERS = ("lr", "weight_decay", "momentum", "eps")
_SCIENTIFIC = re.compile(r"([-+]?[\d.]+)[eE]([-+]?)(\d+)$")
_MIXED_BETAS = "betas must be either both floats or both Tensors"
_KINDS = (TypeError, AttributeError, ValueError, KeyError)


def clearer_failure(error: LrdecayError, config: Config, model: nn.Module, where: str) -> LrdecayError:
    """Return an error that names the cause of the constructor's ``error``; ``error`` itself if the cause is unknown."""
    if _SHARED in str(error):
        names: dict[int, list[str]] = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            names.setdefault(id(parameter), []).append(name)
        first, second = next(pair for pair in names.values() if len(pair) > 1)[:2]
        fix = f"set {_PARAMWISE}.bypass_duplicate=True, because modules are shared"
        problem = f"{_SHARED}: {first} and {second} are the same tensor"
        return LrdecayError(problem, where=where, fix=fix, final=True)
    if isinstance(error, UnknownTypeError):
        return error
    if misplaced := misplaced_options(error, config, where):
        return misplaced
    if isinstance(error, DecayError):
        return error.replaced(where=f"{where}: {error.where}", key=error.where, final=True)
    if _MIXED_BETAS in str(error) and (found := _mixed_betas(config)):
        path, betas = found
        written = tuple(map(float, betas))
        problem = f"{path}.betas is {tuple(betas)}, an int and a float, which torch 2.6 and later refuse"
        # With older versions of torch the package's own config works.
        fix = f"write betas={written}, or train with torch<2.6"
        return LrdecayError(problem, where=where, fix=fix, status="needs torch<2.6", final=True)
    if isinstance(error.__cause__, _KINDS) and (fault := next(_faults(config), None)):
        problem, fix = fault
        return LrdecayError(problem, where=where, fix=fix)
    seen = unwrapped_model(model)
    if isinstance(error.__cause__, TypeError) and (multiplier := _without_base_lr(config, seen)):
        fix = f"set {_OPTIMIZER}.lr"
        return LrdecayError(f"{multiplier} has no base lr to multiply", where=where, fix=fix, final=True)
    spec = known_constructor(config.optim_wrapper)
    if spec and spec.raise_cause:
        optimizer: Mapping[str, Any] = config.optim_wrapper.get("optimizer") or {}
        backbone = getattr(seen, "backbone", None)
        inputs = ConstructorInputs(
            spec=spec,
            options=config.optim_wrapper.get("paramwise_cfg") or {},
            base_lr=plain(optimizer.get("lr")),
            base_weight_decay=plain(optimizer.get("weight_decay")),
            default_lr=None,
            default_weight_decay=None,
            backbone=None if backbone is None else type(backbone).__name__,
            wrapper=plain(config.optim_wrapper),
        )
        parameters = [
            TrainingParameter(name, tuple(tensor.shape), tensor.requires_grad)
            for name, tensor in seen.named_parameters()
        ]
        try:
            spec.raise_cause(inputs, parameters)
        except DecayError as known:
            suggested = f": lrdecay suggest {where}" if isinstance(known, ServedByOurs) else ""
            fix = f"{known.fix}{suggested}"
            return known.replaced(where=f"{where}: {known.where}", key=known.where, fix=fix, final=True)
    if spec and spec.asks_model and isinstance(error.__cause__, NotImplementedError):
        # Source: mmpretrain 1.2, add_params of its decay constructor. get_layer_depth of its classifiers and
        # self-supervised models calls get_layer_depth of the backbone.
        owner = getattr(seen, "backbone", seen)
        asked, backbone = owner if hasattr(seen, "get_layer_depth") else seen, type(owner).__name__
        if find_family(backbone):
            fix = f"{OURS.label} serves {backbone}: lrdecay suggest {where}"
        else:
            fix = f"use {OURS.label} with its option layers, or mmengine's default constructor with custom_keys"
        problem = f"{spec.project}'s constructor calls get_layer_depth, which {type(asked).__name__} does not have"
        return LrdecayError(problem, where=where, fix=fix, final=True)
    return refused_option(error, config, where) or _refused_by_optimizer(error, where) or error


def _mixed_betas(config: Config) -> tuple[str, Sequence[float]] | None:
    """Find the first optimizer config with one int and one float in ``betas``. Return its path and the betas.

    Return None if there is no such config.

    Source: torch 2.6.0, ``torch/optim/adam.py``, requires that both betas are floats or both are tensors.
    """
    wrapper: Mapping[str, Any] = config.optim_wrapper
    several = {f"optim_wrapper.{name}.optimizer": each for name, each in wrapper.items() if isinstance(each, Mapping)}
    for path, settings in {_OPTIMIZER: wrapper, **several}.items():
        betas = (settings.get("optimizer") or {}).get("betas")
        if isinstance(betas, (list, tuple)) and {*map(type, betas)} == {int, float}:
            return path, betas
    return None


def _refused_by_optimizer(error: LrdecayError, where: str) -> LrdecayError | None:
    """Return ``error`` with a fix if lrdecay's table of optimizers contains this error; else None."""
    cause = error.__cause__
    raised = f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), '')}"
    rows = (row for row in table() for refusal in row.refusals if refusal.error == raised)
    if (row := next(rows, None)) is None:
        return None
    accepted = next((other for other in table() if _is_accepted(other, row)), None)
    if accepted:
        given = ", ".join(f"{name}={value!r}" for name, value in accepted.options.items())
        fix = f"set {given} in {_OPTIMIZER}"
    elif any(refusal.when == "first step" for refusal in row.refusals):
        fix = "use an optimizer that mmengine can step with these groups, for example AdamW"
    else:
        return None
    return LrdecayError(error.problem, where=where, fix=fix, final=True)


def _is_accepted(row: OptimizerEffects, refusing: OptimizerEffects) -> bool:
    """True if both rows have the same optimizer class, which accepts the options of ``row``.

    Both are rows of lrdecay's table of optimizers. The class raises an error with the options of ``refusing``.
    """
    same = (row.module, row.name) == (refusing.module, refusing.name)
    return same and bool(row.options) and not row.refusals


def _without_base_lr(config: Config, model: nn.Module) -> str | None:
    """Return the multiplier that has no lr to multiply, for example ``lr_mult of 'backbone'``.

    Return None if the config sets an lr, or has no such multiplier. Source: mmengine 0.10.7, ``add_params`` of its
    default constructor, in which every custom key multiplies the lr.
    """
    optimizer, options = config.optim_wrapper.get("optimizer"), config.optim_wrapper.get("paramwise_cfg") or {}
    if not isinstance(optimizer, Mapping) or optimizer.get("lr") is not None:
        return None
    names = [name for name, _ in model.named_parameters()]
    keys = options.get("custom_keys") or {}
    for key, settings in keys.items():
        if any(key in name for name in names):
            return f"lr_mult of {key!r}" if "lr_mult" in settings else f"the custom key {key!r}"
    return next((option for option in ("bias_lr_mult", "dcn_offset_lr_mult") if options.get(option) is not None), None)


def _faults(config: Config) -> Iterator[tuple[str, str]]:
    """Yield problem and fix for each value of the wrong type in ``optim_wrapper``.

    Source: mmengine's default constructor, which does not check these types.
    """
    wrapper: Mapping[str, Any] = config.optim_wrapper
    if "optimizer" in wrapper and wrapper["optimizer"] is None:
        yield f"{_OPTIMIZER} is None, not a dict", "write optimizer=dict(type=..., lr=...)"
    optimizer = wrapper.get("optimizer")
    if isinstance(optimizer, Mapping):
        for option, value in optimizer.items():
            if isinstance(value, str) and option != "type" and (option in _NUMBERS or _is_number(value)):
                yield _not_a_number(f"{_OPTIMIZER}.{option}", value)
    given = wrapper.get("paramwise_cfg")
    if given is None:
        return
    if not isinstance(given, Mapping):
        yield _not_a_dict(_PARAMWISE, given, "paramwise_cfg=dict(norm_decay_mult=0.0)")
        return
    yield from _multipliers(_PARAMWISE, given)
    keys = given.get("custom_keys", {})
    if not isinstance(keys, Mapping):
        yield _not_a_dict(_KEYS, keys, "custom_keys={'backbone': dict(lr_mult=0.1)}")
        return
    for key, settings in keys.items():
        if not isinstance(settings, Mapping):
            lr_mult = settings if isinstance(settings, (int, float)) else "..."
            yield _not_a_dict(f"{_KEYS}[{key!r}]", settings, f"dict(lr_mult={lr_mult})")
        else:
            yield from _multipliers(f"{_KEYS}[{key!r}]", settings)


def _multipliers(path: str, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for option, value in options.items():
        # None as an option means "not set"; in a custom key mmengine multiplies it.
        as_nothing = value is None and path == _PARAMWISE
        if str(option).endswith("_mult") and not isinstance(value, (int, float)) and not as_nothing:
            yield _not_a_number(f"{path}.{option}", value)


def _not_a_dict(path: str, value: Any, example: str) -> tuple[str, str]:
    return f"{path} is {value!r}, a {type_name(type(value))}, not a dict", f"write {example}"


def _not_a_number(path: str, value: Any) -> tuple[str, str]:
    problem = f"{path} is {value!r}, a {type_name(type(value))}, not a number"
    if not isinstance(value, str) or not _is_number(value):
        return problem, f"set {path} to a number"
    text = value.strip()
    fix = f"write {text} without quotes"
    if found := _SCIENTIFIC.match(text):
        mantissa, sign, exponent = found.groups()
        # YAML 1.1 needs both a dot and a sign.
        mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
        fix = f"{fix}, in YAML {mantissa}e{sign or '+'}{exponent}"
    return problem, fix


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False
