"""``custom_keys``: multipliers for parameters whose names contain a key.

Source: mmengine 0.10.7, its default constructor: of the keys that a name contains the longest counts, among those
of one length the first in alphabetical order, and no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lrdecay_cli.decay.checked import finite_number
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.decay.options import LIKENESS, SECTION
from lrdecay_cli.text.spelling import nearest

MULTIPLIERS = ("lr_mult", "decay_mult")


@dataclass(frozen=True, slots=True)
class CustomKey:
    """One key with its multipliers, each None where the config does not give it."""

    key: str
    lr_mult: int | float | None = None
    decay_mult: int | float | None = None

    @property
    def label(self) -> str:
        """As provenance names it."""
        return f"custom_keys[{self.key!r}]"

    @property
    def where(self) -> str:
        """Its place in the config, for errors."""
        return f"{SECTION}.{self.label}"


def read_custom_keys(given: object) -> tuple[CustomKey, ...]:
    """The keys of a ``custom_keys`` option, in the order in which they are tried.

    Raises:
        DecayError: it is no dict of dicts, an entry has something else than the two multipliers, or one is no number.
    """
    where = f"{SECTION}.custom_keys"
    if not isinstance(given, Mapping):
        raise DecayError(
            f"{given!r} is not a dict", where=where, remedy="write custom_keys={'bbox_head': dict(lr_mult=2.0)}"
        )
    for key in given:
        if not isinstance(key, str) or not key:
            raise DecayError(f"the key {key!r} is not a part of a name", where=where, remedy="give a string")
    return tuple(_read(key, given[key]) for key in sorted(sorted(given), key=len, reverse=True))


def matching(name: str, keys: Iterable[CustomKey]) -> CustomKey | None:
    """The first of ``keys``, tried in turn, that the name contains."""
    return next((one for one in keys if one.key in name), None)


def _read(key: str, settings: Any) -> CustomKey:
    where = CustomKey(key).where
    if not isinstance(settings, Mapping):
        raise DecayError(f"{settings!r} is not a dict", where=where, remedy="write dict(lr_mult=…, decay_mult=…)")
    for setting in settings:
        if setting not in MULTIPLIERS:
            meant = nearest(str(setting), MULTIPLIERS, likeness=LIKENESS)
            remedy = f"did you mean {meant!r}?" if meant else f"allowed: {', '.join(MULTIPLIERS)}"
            raise DecayError(f"unknown setting {setting!r}", where=where, remedy=remedy)
    numbers = {name: finite_number(settings[name], f"{where}.{name}") for name in MULTIPLIERS if name in settings}
    return CustomKey(key, **numbers)
