"""Configs that a model loads while it is built, such as that of a teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config

from lrdecay_cli.cache.recording import probed
from lrdecay_cli.openmmlab.patching import patched


@contextmanager
def paths_from_repository_root(config_file: str | None) -> Iterator[None]:
    """Let ``Config.fromfile`` find a relative path that is not below the working directory.

    Authors write such paths (``configs/gfl/gfl_r101_fpn_ms-2x_coco.py``) relative to their repository's root, from
    which they train. It is looked for from the folder of ``config_file`` upwards.
    """
    load: Callable[..., Config] = Config.fromfile

    def fromfile(filename: str | Path, *args: Any, **kwargs: Any) -> Config:
        path = Path(filename)
        if config_file is not None and not path.is_absolute() and not path.exists():
            candidates = [folder / path for folder in Path(config_file).absolute().parents]
            for candidate in (path, *candidates):
                probed(str(candidate))
            path = next(filter(Path.is_file, candidates), path)
        return load(str(path), *args, **kwargs)

    with patched(Config, fromfile=staticmethod(fromfile)):
        yield
