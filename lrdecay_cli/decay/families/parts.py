"""Taking parameter names apart."""

from __future__ import annotations

from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.decay.parameter_kinds import kind_of
from lrdecay_cli.domain.provenance import FALLBACK, Formula, arrow, by_name

_OF_THE_STEM = ("token", "position", "query")


def with_the_stem(name: str, prefix: str) -> Formula | None:
    """Layer id 0 for a token or position embedding that the backbone itself registers: it meets the image first."""
    own = name.removeprefix(prefix) if name.startswith(prefix) else "."
    if "." not in own and kind_of(own, None, ()) in _OF_THE_STEM:
        return by_name(name, "0", "0", 0)
    return None


def with_the_head(num_layers: int) -> Formula:
    """The top layer id, of whatever is not the backbone's."""
    inputs = {"num_layers": num_layers}
    return arrow("fallback", FALLBACK, "num_layers + 1", f"{num_layers} + 1", num_layers + 1, inputs)


def index_part(name: str, parts: list[str], position: int, what: str) -> int:
    """The integer at a position of a dotted name, by the rules of ``int()``: ``-1`` and ``1_0`` are integers.

    Args:
        name: the whole parameter name, for the error.
        parts: the name without the backbone's prefix, split at the dots.
        position: which part.
        what: what the integer means, for the error: ``stage`` or ``block``.

    Raises:
        DecayError: the part is missing or no integer.
    """
    after = ".".join(parts[:position])
    if position >= len(parts):
        raise DecayError(f"the name ends where a {what} index belongs, after {after!r}", where=name, remedy=_RENAME)
    try:
        return int(parts[position])
    except ValueError:
        raise DecayError(
            f"{parts[position]!r} after {after!r} is not a {what} index", where=name, remedy=_RENAME
        ) from None


def outside(name: str, what: str, index: int, count: int, first: int = 0) -> DecayError:
    """The error for an index that is none of ``count`` from ``first`` on."""
    allowed = f"allowed: {what} {first} to {first + count - 1}"
    return DecayError(f"{what} {index} has no layer id", where=name, remedy=allowed)


_RENAME = "a name under this module must have an integer there"
