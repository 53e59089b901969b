"""How records look to a person: one line as ``repr``, the report of the command as ``str`` and in a notebook.

Records hold facts, not formats. The module that renders them is imported by name on demand, so ``domain/`` imports
nothing above it, and a cached answer loads nothing more.
"""

from __future__ import annotations

from importlib import import_module

import msgspec

from lrdecay_cli.text.printing import printable

# Importing typing just for this name takes longer than using a cached result.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RENDERER = "lrdecay_cli.api.display"
"""The module that renders records: ``text``, ``fragment``, ``terminal`` and ``plot``, each with the record first."""


def render(function: str, record: object, *arguments: object) -> Any:
    """What a function of :data:`RENDERER` makes of a record."""
    return getattr(import_module(RENDERER), function)(record, *arguments)


class Brief(msgspec.Struct, frozen=True):
    """A record with a ``repr`` of one line."""

    def headline(self) -> str:
        """What the record is about, in one line without its class."""
        raise NotImplementedError

    def __repr__(self) -> str:
        # Names come from models and configs of strangers.
        return f"<{type(self).__name__} {printable(' '.join(self.headline().split()))}>"


class Displayed(Brief, frozen=True, dict=True):
    """A record with a report: ``print`` shows the text of the command, a notebook a table."""

    def __str__(self) -> str:
        text: str = render("text", self)
        return text.rstrip("\n")

    def __rich__(self) -> object:
        """What rich prints: the report of the command, as wide as the console."""
        return render("terminal", self)

    def _repr_html_(self) -> str:
        """HTML for a notebook: a part of the command's page without scripts."""
        html: str = render("fragment", self)
        return html
