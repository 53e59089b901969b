"""Read and validate the options of a layer decay. Each error for an invalid option contains a fix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.text.python_source import NOT_FINITE
from lrdecay_cli.text.spelling import nearest


class DecayError(LrdecayError):
    """Raised if a layer id, lr scale or group cannot be computed: a setting is invalid, or no rule matches a parameter
    name.
    """


class ServedByOurs(DecayError):  # noqa: N818
    """Raised if a constructor does not support the backbone, but lrdecay's own constructor does."""


def not_a(expected: str, value: object, where: str, fix: str) -> DecayError:
    """Return the error for a value of the wrong type, with a problem such as ``'x' is not a number``."""
    return DecayError(f"{value!r} is not {expected}", where=where, fix=fix)


def finite_number(value: object, where: str) -> int | float:
    """Return a number from a config as a plain int or float. ``where`` is its config key, for errors.

    Raises:
        DecayError: the value is infinite, NaN, a bool, or not a number.
    """
    number = number_or_none(value)
    if number is None:
        fix = "use a finite number such as 0.7"
        value = _written_out(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise not_a("a number", value, where, fix)
        raise DecayError("the number is not finite", where=where, fix=fix)
    return number


def number_or_none(value: object) -> int | float | None:
    """Return ``value`` as a plain int or float if it is a finite number, else None. ``value`` may have any type."""
    value = _written_out(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        finite = False
    if not finite:
        return None
    # The repr of a subclass such as numpy.float64 is not a Python literal.
    return int(value) if isinstance(value, int) else float(value)


def _written_out(value: object) -> object:
    """Return the number for a text such as ``inf``. Return any other value unchanged."""
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value


DecayType = Literal["layer_wise", "stage_wise"]
DECAY_TYPES: tuple[DecayType, ...] = get_args(DecayType)
OPTIONS = ("num_layers", "decay_rate", "decay_type")

SECTION = "paramwise_cfg"
LIKENESS = 0.6
"""Minimum similarity, from 0 to 1, at which an unknown name counts as a misspelt option."""


@dataclass(frozen=True, slots=True)
class DecayOptions:
    """The three options of a layer decay.

    :meth:`from_paramwise_cfg` validates the options. The class itself does not.
    """

    num_layers: int
    """Number of backbone layers between stem and head. Layer ids run from 0 (stem) to ``num_layers + 1`` (head)."""
    decay_rate: int | float
    """Factor between the lrs of neighbouring layers."""
    decay_type: DecayType = "layer_wise"

    @classmethod
    def from_paramwise_cfg(cls, paramwise_cfg: Mapping[str, Any] | None) -> DecayOptions:
        """Read and validate the options in ``paramwise_cfg``. Other keys are ignored, as in mmdet.

        Raises:
            DecayError: an option is missing or invalid. The error names the key and the allowed values.
        """
        given = options_given(paramwise_cfg)
        return cls(
            num_layers=read_num_layers(_required(given, "num_layers")),
            decay_rate=read_decay_rate(given),
            decay_type=read_decay_type(given.get("decay_type", "layer_wise")),
        )


def options_given(paramwise_cfg: object) -> Mapping[str, Any]:
    """Return the dict ``paramwise_cfg``; an empty dict for any empty value. Raises DecayError for other values."""
    given = paramwise_cfg or {}
    if not isinstance(given, Mapping):
        raise DecayError(f"expected a dict, not a {type(given).__name__}", where=SECTION, fix="write dict(...)")
    return given


def read_decay_rate(given: Mapping[str, Any]) -> int | float:
    """Return the option ``decay_rate``. Raises DecayError if it is missing or not a finite number."""
    return finite_number(_required(given, "decay_rate"), f"{SECTION}.decay_rate")


def _required(given: Mapping[str, Any], key: str) -> Any:
    if given.get(key) is not None:
        return given[key]
    if key in given:
        raise DecayError("the value is None", where=f"{SECTION}.{key}", fix="set a number")
    misspelt = nearest(key, (str(other) for other in given if other not in OPTIONS), likeness=LIKENESS)
    raise DecayError(
        f"{key} is missing", where=SECTION, fix=f"rename {misspelt!r} to {key}" if misspelt else f"add {key}"
    )


def unknown(kind: str, name: object, allowed: Sequence[str], where: str) -> DecayError:
    """Return the error for an unknown name. It suggests the most similar allowed name, or lists all allowed names."""
    like = nearest(str(name), allowed, likeness=LIKENESS)
    fix = f"did you mean {like!r}?" if like else f"allowed: {', '.join(allowed)}"
    return DecayError(f"unknown {kind} {name!r}", where=where, fix=fix)


def read_num_layers(value: object, or_else: str = "") -> int:
    """Return the option ``num_layers``. Raises DecayError if it is not an integer.

    ``or_else`` is another allowed value, which the error names.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        fix = "use an integer such as 12" + (f", or {or_else}" if or_else else "")
        raise not_a("an integer", value, f"{SECTION}.num_layers", fix)
    return int(value)


def read_decay_type(value: object) -> DecayType:
    """Return the option ``decay_type``. Raises DecayError for a value that mmdet does not accept."""
    where = f"{SECTION}.decay_type"
    allowed = ", ".join(map(repr, DECAY_TYPES))
    if not isinstance(value, str):
        raise not_a("a string", value, where, f"allowed: {allowed}")
    # mmdet looks for 'layer_wise' anywhere in the string, but compares 'stage_wise' as a whole.
    if "layer_wise" in value:
        return "layer_wise"
    if value == "stage_wise":
        return "stage_wise"
    like = nearest(value, DECAY_TYPES, likeness=LIKENESS)
    question = f"did you mean {like!r}? " if like else ""
    raise DecayError(f"unknown decay type {value!r}", where=where, fix=f"{question}allowed: {allowed}")
