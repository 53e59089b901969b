"""Base classes of records: ``repr`` gives one line; ``str`` and notebooks show the report of the command.

Records contain only data. The module that renders them is imported only when a record is displayed. So ``domain/``
imports no package that itself imports ``domain/``, and a command that uses a cached result stays fast.
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
"""The module that renders records. Its functions ``text``, ``fragment``, ``terminal``, ``plot`` and ``save`` take the
record as first argument.
"""


def render(function: str, record: object, *arguments: object) -> Any:
    """Call a function of the module :data:`RENDERER` with a record, and return its result."""
    return getattr(import_module(RENDERER), function)(record, *arguments)


class Brief(msgspec.Struct, frozen=True):
    """Base class for records with a ``repr`` of one line."""

    def headline(self) -> str:
        """Return one line that describes the record, without its class name."""
        raise NotImplementedError

    def __repr__(self) -> str:
        # Names come from untrusted models and configs.
        return f"<{type(self).__name__} {printable(' '.join(self.headline().split()))}>"


class Displayed(Brief, frozen=True, dict=True):
    """Base class for records with a report. ``print`` shows the text output of the command, a notebook shows tables."""

    def __str__(self) -> str:
        text: str = render("text", self)
        return text.rstrip("\n")

    def __rich__(self) -> object:
        """Return the command's report in a form that rich prints at the full width of the console."""
        return render("terminal", self)

    def _repr_html_(self) -> str:
        """Return HTML for a notebook: part of the command's HTML page, without scripts."""
        html: str = render("fragment", self)
        return html
