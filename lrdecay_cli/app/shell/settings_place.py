"""Finding the settings file with the standard library alone: this happens before an answer from the cache is given."""

from __future__ import annotations

import os

OWN_FILE = "lrdecay.toml"
SHARED_FILE = "pyproject.toml"
# A project's settings are its own: the search never leaves a repository.
_ROOTS = (".git", ".hg", ".svn")

# Importing typing for its name takes longer than an answer from the cache.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def settings_files(start: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Path and content of the files that may hold settings for ``start``, the working directory by default.

    From there up to the root of the repository, in each directory ``lrdecay.toml`` and then a ``pyproject.toml`` that
    has the word lrdecay in it; the first that turns out to have settings counts.

    Raises:
        OSError: a file that is there cannot be read.
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
