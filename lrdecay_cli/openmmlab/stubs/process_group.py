"""A process group of one process, for layers that ask for one when they are built (synchronised batch norm)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_BACKEND = "lrdecay_alone"


@contextmanager
def lone_process_group() -> Iterator[None]:
    """Initialise torch.distributed with this process alone, on a store in memory, and close it afterwards.

    It has a backend of its own that can answer for rank and size and no more: gloo would resolve this machine's name
    and open a port.
    """
    import torch.distributed as dist

    class Alone(dist.ProcessGroup):  # type: ignore[misc]
        def __init__(self, rank: int, size: int) -> None:
            super().__init__(rank, size)

        def getBackendName(self) -> str:  # noqa: N802 (torch asks for this name)
            return _BACKEND

    def create(_store: Any, rank: int, size: int, _timeout: Any) -> dist.ProcessGroup:
        return Alone(rank, size)

    if not hasattr(dist.Backend, _BACKEND.upper()):
        # Devices are not named, of which it warns: older releases would make it the default backend of those.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dist.Backend.register_backend(_BACKEND, create)
    dist.init_process_group(_BACKEND, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()
