"""Simulate a number of GPUs for a config and its constructor, and record if they use this number.

A fake process group of PyTorch returns this number, as in a real training, but does not communicate.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch.distributed as dist
from mmengine.dist import utils as mmengine_dist
from torch.distributed import distributed_c10d

from lrdecay_cli.openmmlab.patching import copied, patched, patched_functions

VARIABLE = "WORLD_SIZE"
"""Environment variable with the number of GPUs, set by a launcher such as torchrun."""
# These packages read the number of GPUs for their own use: rank, logging, launching.
_LIBRARIES = ("torch", "mmengine", "transformers", "accelerate", "importlib", "os", "_collections_abc", "lrdecay_cli")


class GpuRequests:
    """Record of whether code outside torch, mmengine and similar libraries has requested the number of GPUs."""

    asked = False


class _Noticed(int):
    """The number of GPUs as an int that records each use."""

    requests: GpuRequests

    @classmethod
    def of(cls, size: int, requests: GpuRequests) -> _Noticed:
        noticed = cls(size)
        noticed.requests = requests
        return noticed

    __hash__ = int.__hash__


def _noticing(name: str) -> Callable[..., Any]:
    own = getattr(int, name)

    def use(self: _Noticed, *operands: Any) -> Any:
        self.requests.asked = True
        return own(self, *operands)

    return use


for _name in (
    *(f"__{side}{name}__" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow") for side in ("", "r")),
    *(f"__{name}__" for name in ("eq", "ne", "lt", "le", "gt", "ge", "bool", "float", "int", "index")),
):
    setattr(_Noticed, _name, _noticing(_name))


@contextmanager
def process_group(size: int) -> Iterator[None]:
    """In this block, use a process group of PyTorch with ``size`` processes that does not communicate."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=size)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def world_of(gpus: int, *, given: bool = True, convert: Callable[[int], int] = int) -> Iterator[GpuRequests]:
    """Simulate a training on ``gpus`` GPUs inside the block. Yields a record of whether code uses the number.

    Args:
        gpus: number of GPUs.
        given: True if the user set the number. Otherwise environment variables stay unchanged.
        convert: function that converts the number before mmengine or PyTorch returns it to other code.
    """
    requests = GpuRequests()
    with ExitStack() as stack:
        if gpus > 1 and not dist.is_initialized():
            stack.enter_context(process_group(gpus))
        for patch in _watched(requests, gpus if given else None, convert):
            stack.enter_context(patch)
        yield requests


def _watched(requests: GpuRequests, gpus: int | None, convert: Callable[[int], int]) -> Iterator[Any]:
    def watching(original: Callable[..., Any], made: Callable[[Any], Any]) -> Callable[..., Any]:
        own = copied(original)

        def ask(*args: Any, **kwargs: Any) -> Any:
            # The next frame is the function that this body replaces, and the one after it is its caller.
            if _is_library(sys._getframe(2).f_globals.get("__name__", "")):
                return own(*args, **kwargs)
            return made(own(*args, **kwargs))

        return ask

    def noted(value: int) -> int:
        requests.asked = True
        return convert(value)

    def with_rank(info: tuple[int, int]) -> tuple[int, int]:
        # Most callers use only the rank.
        rank, size = info
        return rank, _Noticed.of(size, requests) if convert is int else convert(size)

    def initialised(value: bool) -> bool:
        requests.asked = True
        return value

    yield patched_functions(
        mmengine_dist,
        get_world_size=watching(mmengine_dist.get_world_size, noted),
        get_dist_info=watching(mmengine_dist.get_dist_info, with_rank),
    )
    yield patched_functions(
        distributed_c10d,
        get_world_size=watching(distributed_c10d.get_world_size, noted),
        # Without a process group, code does not ask for the size.
        is_initialized=watching(distributed_c10d.is_initialized, initialised),
    )
    kind: Any = type(os.environ)
    read = kind.__getitem__

    def get(environment: Any, name: Any) -> Any:
        if name == VARIABLE and not _is_library(_caller()):
            requests.asked = True
            if gpus is not None:
                return str(gpus)
        return read(environment, name)

    yield patched(kind, __getitem__=get)


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES


def _caller() -> str:
    """Return the name of the module that reads an environment variable.

    The module may use ``os.environ[...]``, ``os.environ.get()``, ``in os.environ`` or ``os.getenv()``.
    """
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") in ("os", "_collections_abc", __name__):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))
