"""Display of records: one line as ``repr``, the report of the command as ``str`` and in a notebook.

Records contain only facts. The module that renders them is imported by name on demand, so ``domain/`` imports
nothing above it, and a cached result loads nothing more.
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
    """Render a record with a function of :data:`RENDERER`."""
    return getattr(import_module(RENDERER), function)(record, *arguments)


class Brief(msgspec.Struct, frozen=True):
    """A record with a ``repr`` of one line."""

    def headline(self) -> str:
        """Return a description of the record in one line, without its class."""
        raise NotImplementedError

    def __repr__(self) -> str:
        # Names come from untrusted models and configs.
        return f"<{type(self).__name__} {printable(' '.join(self.headline().split()))}>"


class Displayed(Brief, frozen=True, dict=True):
    """A record with a report: ``print`` shows the command's text, a notebook a table."""

    def __str__(self) -> str:
        text: str = render("text", self)
        return text.rstrip("\n")

    def __rich__(self) -> object:
        """Return the report of the command for rich, as wide as the console."""
        return render("terminal", self)

    def _repr_html_(self) -> str:
        """Return HTML for a notebook: a part of the command's page, without scripts."""
        html: str = render("fragment", self)
        return html
