"""Seeing which environment variables are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from lrdecay_cli.cache.frames import asked_by_user

# Libraries read them to draw, which says nothing about parameter groups; keys.report_key has them for the drawing.
_FOR_DRAWING = {"COLUMNS", "LINES", "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR"}


class EnvironmentReads:
    """The names that were read since this was made, whether all were, and the values that there were at first."""

    def __init__(self) -> None:
        self.at_first = dict(os.environ)
        self.names: set[str] = set()
        self.all = False
        # One name that somebody is just going over: to read it is part of reading all.
        self._passing: Any = None
        self._watch(type(os.environ))

    def _watch(self, kind: Any) -> None:
        get, go_over = kind.__getitem__, kind.__iter__

        def watched_get(environment: Any, name: Any) -> Any:
            if name != self._passing:
                decoded = os.fsdecode(name) if isinstance(name, (str, bytes)) else None
                if decoded is not None and (decoded not in _FOR_DRAWING or asked_by_user()):
                    self.names.add(decoded)
            return get(environment, name)

        def watched_go_over(environment: Any) -> Iterator[Any]:
            self.all = self.all or asked_by_user()
            try:
                for name in go_over(environment):
                    self._passing = name
                    yield name
            finally:
                self._passing = None

        kind.__getitem__, kind.__iter__ = watched_get, watched_go_over
