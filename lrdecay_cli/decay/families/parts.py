"""Taking parameter names apart."""

from __future__ import annotations

from lrdecay_cli.decay.errors import DecayError


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


def outside(name: str, what: str, index: int, count: int) -> DecayError:
    """The error for an index that is none of ``0`` to ``count - 1``."""
    return DecayError(f"{what} {index} has no layer id", where=name, remedy=f"allowed: {what} 0 to {count - 1}")


_RENAME = "a name under this module must have an integer there"
