"""Replace the files that a model reads when it is built: weights, remote data and other configs.

Models are built without weights. No file with weights is opened or unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.fileio import HTTPBackend
from torch import nn

from lrdecay_cli.cache import probed
from lrdecay_cli.domain.group_map import Stub
from lrdecay_cli.openmmlab.patching import NotHereError, copied, patched, patched_functions, patched_on_import
from lrdecay_cli.openmmlab.stubs.known_architectures import clip_shapes


@contextmanager
def no_weights(report: Callable[[Stub], None]) -> Iterator[None]:
    """Inside this block, every function that loads weights returns an empty result.

    A few models derive their architecture from a file with weights. These models get tensors with the published sizes
    instead, and ``report`` is called with a stub for the file.
    """
    from mmengine.runner import checkpoint

    def no_checkpoint(filename: Any = "", *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        # A few models derive their architecture from the weights.
        if shapes := clip_shapes(str(filename)):
            report(
                Stub(
                    str(filename).rpartition("/")[2],
                    "the file is not read; the model is built with the published sizes of CLIP ViT-B/16",
                )
            )
            return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        return {"state_dict": _NoWeights(), "meta": {}}

    def unchanged(_module: nn.Module, *_args: Any, **_kwargs: Any) -> Any:
        return torch.nn.modules.module._IncompatibleKeys([], [])

    load = copied(torch.hub.load)

    def load_local(repo_or_dir: str, model: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:
        if source != "local":
            kwargs = {name: value for name, value in kwargs.items() if name not in ("force_reload", "trust_repo")}
            repo_or_dir = _fetched_before(repo_or_dir)
        return load(repo_or_dir, model, *args, source="local", **kwargs)

    # The module with the loader depends on timm's version.
    timm = {
        name: lambda module: patched_functions(module, load_pretrained=_nothing)
        for name in ("timm.models._builder", "timm.models.helpers")
    }
    with (
        patched_functions(torch, load=_nothing),
        patched_functions(torch.hub, load=load_local, load_state_dict_from_url=_nothing),
        patched(checkpoint.CheckpointLoader, load_checkpoint=no_checkpoint),
        # mmengine's loaders warn about every key that the empty checkpoint lacks.
        patched_functions(checkpoint, load_state_dict=unchanged, _load_checkpoint_with_prefix=_nothing),
        patched(nn.Module, load_state_dict=unchanged),
        patched_on_import(timm),
    ):
        yield


class _NoWeights(dict[str, torch.Tensor]):
    """An empty checkpoint that returns a scalar for any name, because mmaction2's ResNet reads a checkpoint by name.

    The shape of a scalar fits no parameter, so the model loads nothing.
    """

    def __missing__(self, name: str) -> torch.Tensor:
        return torch.zeros(())


def _nothing(*_args: Any, **_kwargs: Any) -> dict[str, Any]:
    return {}


def _fetched_before(repository: str) -> str:
    """Return the folder of a repository (``owner/name[:ref]``) in torch.hub's cache.

    Without ``ref``, the branch main or master is used.
    """
    name, _, ref = repository.partition(":")
    for candidate in [ref] if ref else ["main", "master"]:
        folder = Path(torch.hub.get_dir(), "_".join([*name.split("/"), re.sub("/", "_", candidate)]))
        probed(str(folder))
        if folder.is_dir():
            return str(folder)
    problem = f"the model loads {repository!r} from torch.hub, and lrdecay downloads nothing"
    raise NotHereError(
        problem, repository, "build the model once without lrdecay: torch.hub then caches the repository"
    )


# Data that a model needs only for inference and that does not affect its parameters.
_HARMLESS = {"answer_list.json": "[]"}


@contextmanager
def no_remote_files(report: Callable[[Stub], None]) -> Iterator[None]:
    """Inside this block, download nothing.

    A file that certainly does not affect parameters is replaced by an empty list. Reading any other remote file raises.
    """

    def text(_backend: HTTPBackend, url: Any, *_args: Any, **_kwargs: Any) -> str:
        name = str(url).rpartition("/")[2]
        if name in _HARMLESS:
            report(Stub(name, "not downloaded: the model needs this file only at inference"))
            return _HARMLESS[name]
        problem = f"the model reads {url}, and lrdecay downloads nothing"
        raise NotHereError(problem, name, "download the file and set its path in the config")

    def content(backend: HTTPBackend, url: Any, *_args: Any, **_kwargs: Any) -> bytes:
        return text(backend, url).encode()

    with patched(HTTPBackend, get=content, get_text=text, get_local_path=text):
        yield


@contextmanager
def paths_from_repository_root(config_file: str | None) -> Iterator[None]:
    """Inside this block, ``Config.fromfile`` also finds paths that are relative to the root of the config's repository.

    Some configs contain such paths, for example ``configs/gfl/gfl_r101_fpn_ms-2x_coco.py``. The path is searched in
    each parent folder of ``config_file``, starting with the nearest.
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
