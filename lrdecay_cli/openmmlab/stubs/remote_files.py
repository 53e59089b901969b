"""Files on the network that a model reads through mmengine while it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.fileio import HTTPBackend

from lrdecay_cli.domain.group_map import StandIn
from lrdecay_cli.openmmlab.failures.refusals import NotHereError
from lrdecay_cli.openmmlab.patching import patched

# Data that a model keeps for inference, and that has no say in its parameters.
_HARMLESS = {"answer_list.json": "[]"}


@contextmanager
def no_remote_files(told: Callable[[StandIn], None]) -> Iterator[None]:
    """Fetch nothing: a file that is known to have no say in the parameters is empty, any other is refused."""

    def text(_backend: HTTPBackend, url: Any, *_args: Any, **_kwargs: Any) -> str:
        name = str(url).rpartition("/")[2]
        if name in _HARMLESS:
            told(StandIn(name, "not fetched: answers are ranked at inference only"))
            return _HARMLESS[name]
        raise NotHereError(
            f"the model reads {url}, and lrdecay downloads nothing", needs=name, remedy="fetch it and give its path"
        )

    def content(backend: HTTPBackend, url: Any, *_args: Any, **_kwargs: Any) -> bytes:
        return text(backend, url).encode()

    with patched(HTTPBackend, get=content, get_text=text, get_local_path=text):
        yield
