"""Where the map of a config lies in a directory of maps."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import SEPARATOR


def map_path(folder: Path, config: str) -> Path:
    """Where a config's map goes: its own path below ``folder``, with what leads out of it taken away.

    ``mmdet::convnext/a.py`` → ``mmdet/convnext/a.json``; ``../b/c.py`` and ``/b/c.py`` → ``b/c.json``.

    Raises:
        LrdecayError: nothing is left of the path, or it holds characters that no file's name should.
    """
    parts = PurePosixPath(config.replace(SEPARATOR, "/").replace("\\", "/")).parts
    safe = [part.replace(":", "_") for part in parts if part not in ("/", "..", ".")]
    if not safe or not config.isprintable():
        raise LrdecayError(f"no name for a map: {config!r}", remedy="rename the config")
    return folder.joinpath(*safe[:-1], f"{safe[-1].removesuffix('.py')}.json")
