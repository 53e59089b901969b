"""What a report is drawn on."""

from __future__ import annotations

from typing import NamedTuple


# No msgspec record: --help, which names the formats, does without msgspec.
class Canvas(NamedTuple):
    """The place a report goes to."""

    width: int | None = None
    """Columns of the terminal; None where there is none and nothing may be cut."""
    color: bool = False
    path: str | None = None
    """The file that is written; None for stdout."""
