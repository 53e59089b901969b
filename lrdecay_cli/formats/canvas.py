"""What a report is drawn on."""

from __future__ import annotations

import msgspec


class Canvas(msgspec.Struct, frozen=True):
    """The place a report goes to."""

    width: int | None = None
    """Columns of the terminal; None where there is none and nothing may be cut."""
    color: bool = False
