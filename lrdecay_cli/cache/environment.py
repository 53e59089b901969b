"""Record which environment variables a config, its plugins or a library reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from lrdecay_cli.cache.evidence import STDLIB, is_installed

# Libraries read these for display only, so groups do not depend on them; keys.report_key includes them.
_FOR_DRAWING = {"COLUMNS", "LINES", "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR"}


class EnvironmentReads:
    """Records which environment variables are read after its creation.

    ``at_first`` contains the values of all variables at the creation of this object. ``all`` is True if a config or
    plugin read all variables.
    """

    def __init__(self) -> None:
        self.at_first = dict(os.environ)
        self.names: set[str] = set()
        self.all = False
        # The current name of an iteration over all: reading it is part of reading all.
        self._passing: Any = None
        self._watch(type(os.environ))

    def _watch(self, kind: Any) -> None:
        get, go_over = kind.__getitem__, kind.__iter__

        def watched_get(environment: Any, name: Any) -> Any:
            if name != self._passing:
                decoded = os.fsdecode(name) if isinstance(name, (str, bytes)) else None
                if decoded is not None and (decoded not in _FOR_DRAWING or read_by_user()):
                    self.names.add(decoded)
            return get(environment, name)

        def watched_go_over(environment: Any) -> Iterator[Any]:
            self.all = self.all or read_by_user()
            try:
                for name in go_over(environment):
                    self._passing = name
                    yield name
            finally:
                self._passing = None

        kind.__getitem__, kind.__iter__ = watched_get, watched_go_over


_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_STDLIB = os.path.join(STDLIB, "")


def read_by_user() -> bool:
    """True if code of a config or plugin makes the current call.

    The function searches for the innermost stack frame outside the standard library. The result is True if the code of
    this frame belongs neither to an installed package nor to lrdecay.
    """
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(("<frozen ", _OURS)):
            if not is_installed(file):
                return True
            if not file.startswith(_STDLIB) or "-packages" in file[len(_STDLIB) :]:
                return False
        elif file.startswith(_OURS) and f"{os.sep}cache{os.sep}" not in file[len(_OURS) - 1 :]:
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return False


def read_by_importlib() -> bool:
    """True if the import system makes the current call. Lookups by the import system are recorded separately."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")
