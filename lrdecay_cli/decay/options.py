"""The options of a decay, and numbers that a formula can be written with: read, checked, and refused with a fix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.text.python_source import NOT_FINITE
from lrdecay_cli.text.spelling import nearest


class DecayError(LrdecayError):
    """No layer id, lr scale or group can be given: a setting is impossible, or a parameter name fits no rule."""


class ServedByOurs(DecayError):  # noqa: N818
    """A constructor does not serve the backbone, and lrdecay's own constructor does."""


def not_a(what: str, value: object, where: str, fix: str) -> DecayError:
    """The error for a value of the wrong type: ``'x' is not a number``."""
    return DecayError(f"{value!r} is not {what}", where=where, fix=fix)


def finite_number(value: object, where: str) -> int | float:
    """The value at the config key ``where`` as a plain int or float, unchanged in worth.

    Raises:
        DecayError: it is no number, or not finite. A bool is no number here, whatever Python says.
    """
    fix = "give a finite number such as 0.7"
    if isinstance(value, str):
        value = NOT_FINITE.get(value, value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise not_a("a number", value, where, fix)
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        finite = False
    if not finite:
        raise DecayError("the number is not finite", where=where, fix=fix)
    # A subclass such as numpy.float64 has a repr that is no Python literal.
    return int(value) if isinstance(value, int) else float(value)


def number_or_none(value: object) -> int | float | None:
    """The value if it is a finite number, else None: options of a config may be of any type."""
    try:
        return finite_number(value, "")
    except DecayError:
        return None


DecayType = Literal["layer_wise", "stage_wise"]
DECAY_TYPES: tuple[DecayType, ...] = get_args(DecayType)
OPTIONS = ("num_layers", "decay_rate", "decay_type")

SECTION = "paramwise_cfg"
LIKENESS = 0.6
"""From here on a name is taken for a misspelling of an option."""


@dataclass(frozen=True, slots=True)
class DecayOptions:
    """The three options of the decay, known to be usable.

    With :meth:`from_paramwise_cfg` they come from a config; built directly, nothing is checked.
    """

    num_layers: int
    """Layers of the backbone between its stem and the rest of the model; ids run from 0 to ``num_layers + 1``."""
    decay_rate: int | float
    """Factor from a layer to the one below it, without a unit."""
    decay_type: DecayType = "layer_wise"

    @classmethod
    def from_paramwise_cfg(cls, paramwise_cfg: Mapping[str, Any] | None) -> DecayOptions:
        """Read the options; other keys are left alone, as mmdet leaves them.

        Raises:
            DecayError: an option is missing or cannot be used, with the key and what is allowed.
        """
        given = options_given(paramwise_cfg)
        return cls(
            num_layers=read_num_layers(_required(given, "num_layers")),
            decay_rate=read_decay_rate(given),
            decay_type=read_decay_type(given.get("decay_type", "layer_wise")),
        )


def options_given(paramwise_cfg: object) -> Mapping[str, Any]:
    """The options in a ``paramwise_cfg``, none if it is empty. Raises DecayError for what is no dict."""
    given = paramwise_cfg or {}
    if not isinstance(given, Mapping):
        raise DecayError(f"it is a {type(given).__name__}, not a dict", where=SECTION, fix="write dict(...)")
    return given


def read_decay_rate(given: Mapping[str, Any]) -> int | float:
    """The ``decay_rate`` of a ``paramwise_cfg``. Raises DecayError if it is missing or no finite number."""
    return finite_number(_required(given, "decay_rate"), f"{SECTION}.decay_rate")


def _required(given: Mapping[str, Any], key: str) -> Any:
    if given.get(key) is not None:
        return given[key]
    if key in given:
        raise DecayError("it is None", where=f"{SECTION}.{key}", fix="give it a number")
    misspelt = nearest(key, (str(other) for other in given if other not in OPTIONS), likeness=LIKENESS)
    raise DecayError(
        f"{key} is missing", where=SECTION, fix=f"rename {misspelt!r} to {key}" if misspelt else f"add {key}"
    )


def unknown(what: str, name: object, allowed: Sequence[str], where: str) -> DecayError:
    """The error for a name that is none of ``allowed``: with the one that it may stand for, else with all of them."""
    meant = nearest(str(name), allowed, likeness=LIKENESS)
    fix = f"did you mean {meant!r}?" if meant else f"allowed: {', '.join(allowed)}"
    return DecayError(f"unknown {what} {name!r}", where=where, fix=fix)


def read_num_layers(value: object, or_else: str = "") -> int:
    """``num_layers`` as it stands in a config. Raises DecayError for what is no integer; ``or_else`` would do too."""
    if isinstance(value, bool) or not isinstance(value, int):
        fix = "give a whole number such as 12" + (f", or {or_else}" if or_else else "")
        raise not_a("an integer", value, f"{SECTION}.num_layers", fix)
    return int(value)


def read_decay_type(value: object) -> DecayType:
    """``decay_type`` as it stands in a config. Raises DecayError for what mmdet does not know either."""
    where = f"{SECTION}.decay_type"
    allowed = ", ".join(map(repr, DECAY_TYPES))
    if not isinstance(value, str):
        raise not_a("a string", value, where, f"allowed: {allowed}")
    # mmdet looks for 'layer_wise' anywhere in the string, but compares 'stage_wise' as a whole.
    if "layer_wise" in value:
        return "layer_wise"
    if value == "stage_wise":
        return "stage_wise"
    meant = nearest(value, DECAY_TYPES, likeness=LIKENESS)
    question = f"did you mean {meant!r}? " if meant else ""
    raise DecayError(f"unknown decay type {value!r}", where=where, fix=f"{question}allowed: {allowed}")
