"""Find the settings file.

The settings are read before a cached result is used. This module therefore imports only the standard library: a slow
import here would delay every cached result.
"""

from __future__ import annotations

import os

OWN_FILE = "lrdecay.toml"
SHARED_FILE = "pyproject.toml"
# Settings belong to one project: the search stops at the root of the repository.
_ROOTS = (".git", ".hg", ".svn")

# Importing typing just for this name takes longer than using a cached result.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def settings_files(start: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file that may contain the settings for the folder ``start``.

    By default, ``start`` is the working directory. The search goes from ``start`` up to the root of the repository. In
    each folder it finds ``lrdecay.toml``, then a ``pyproject.toml`` that contains the word lrdecay. The caller uses the
    first file that contains settings.

    Raises:
        OSError: an existing file cannot be read.
    """
    folder, below = start or os.getcwd(), ""  # noqa: PTH109 (pathlib is not imported yet)
    while folder != below:
        for name in (OWN_FILE, SHARED_FILE):
            path = os.path.join(folder, name)  # noqa: PTH118
            try:
                with open(path, "rb") as file:  # noqa: PTH123
                    raw = file.read()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                continue
            if name == OWN_FILE or b"lrdecay" in raw:
                yield path, raw
        if any(os.path.exists(os.path.join(folder, root)) for root in _ROOTS):  # noqa: PTH110, PTH118
            return
        folder, below = os.path.dirname(folder), folder  # noqa: PTH120
