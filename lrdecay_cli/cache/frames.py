"""Who is asking: the config and its plugins, or a library."""

from __future__ import annotations

import os
import sys

from lrdecay_cli.cache.fingerprints import STDLIB, is_installed

_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_STDLIB = os.path.join(STDLIB, "")


def asked_by_user() -> bool:
    """Whether the innermost frame that is not Python's own belongs to neither an installed package nor lrdecay."""
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


def asked_by_importlib() -> bool:
    """Whether the import system itself is asking: what it looks for is seen in a better way."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")
