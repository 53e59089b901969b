"""Stubs for what a model asks for only sometimes: put in place when building fails for want of it, and reported.

Among them a process group of one process, for layers that ask for one when they are built (synchronised batch norm).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from lrdecay_cli.domain.group_map import StandIn
from lrdecay_cli.openmmlab.patching import patched
from lrdecay_cli.openmmlab.stubs.kernels import refusing_module
from lrdecay_cli.text.printing import said_by

_Built = TypeVar("_Built")

_BACKEND = "lrdecay_alone"
_DETR = "mmdet.models.layers.transformer"
_TRACKERS = "mmdet.models.trackers"


@dataclass(frozen=True)
class OnDemandStub:
    """Something to build with after an attempt failed."""

    missing: str
    """What the message of the failure says, in lower case."""
    stub: StandIn
    within: Callable[[], AbstractContextManager[None]]


def build_with_stubs(build: Callable[[], _Built], report: Callable[[StandIn], None]) -> _Built:
    """Return ``build()``; where it fails for want of something known, try again with that in place.

    Raises whatever the last attempt raised.
    """
    left = list(STUBS)
    with ExitStack() as stack:
        while True:
            try:
                return build()
            except Exception as error:
                message = said_by(error).lower()
                helpful = next((stub for stub in left if stub.missing in message), None)
                if helpful is None:
                    raise
            left.remove(helpful)
            stack.enter_context(helpful.within())
            report(helpful.stub)


@contextmanager
def _filled(replacement: Any, *places: str) -> Iterator[None]:
    """Put ``replacement`` where mmdet's modules noted with None that they could not import something."""
    with ExitStack() as stack:
        for place in places:
            module, _, name = place.rpartition(".")
            if module in sys.modules and vars(sys.modules[module]).get(name, ...) is None:
                stack.enter_context(patched(sys.modules[module], **{name: replacement}))
        yield


def _refusing(name: str, reason: str, *places: str, package: str = "") -> OnDemandStub:
    """A stub for a module that is not installed, in which every function refuses to run."""
    package = package or name
    return OnDemandStub(
        f"{name} is not installed",
        StandIn(name, f"not installed: {reason}"),
        lambda: _filled(refusing_module(package, f"install {package}"), *places),
    )


@contextmanager
def lone_process_group() -> Iterator[None]:
    """Initialise torch.distributed with this process alone, on a store in memory, and close it afterwards.

    It has a backend of its own that can answer for rank and size and no more: gloo would resolve this machine's name
    and open a port.
    """
    import torch.distributed as dist

    class Alone(dist.ProcessGroup):  # type: ignore[misc]
        def getBackendName(self) -> str:  # noqa: N802 (torch asks for this name)
            return _BACKEND

    if not hasattr(dist.Backend, _BACKEND.upper()):
        # Devices are not named, of which it warns: older releases would make it the default backend of those.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dist.Backend.register_backend(_BACKEND, lambda _store, rank, size, _timeout: Alone(rank, size))
    dist.init_process_group(_BACKEND, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


STUBS = (
    OnDemandStub(
        "process group has not been initialized",
        StandIn("torch.distributed", "a process group of this process alone, closed again: the model asks for one"),
        lone_process_group,
    ),
    OnDemandStub(
        "install fairscale",
        StandIn("fairscale", "not installed: its activation checkpointing wraps no module and changes no parameter"),
        lambda: _filled(
            lambda module, **_kwargs: module,
            *(f"{_DETR}.{kind}_layers.checkpoint_wrapper" for kind in ("detr", "deformable_detr", "grounding_dino")),
        ),
    ),
    _refusing(
        "lap", "trackers only compute with it", f"{_TRACKERS}.byte_tracker.lap", f"{_TRACKERS}.ocsort_tracker.lap"
    ),
    _refusing(
        *("motmetrics", "trackers only compute with it"),
        *(f"{_TRACKERS}.{kind}_tracker.motmetrics" for kind in ("sort", "strongsort")),
    ),
    _refusing(
        *("skimage", "BoxInst only computes with it"),
        "mmdet.models.data_preprocessors.data_preprocessor.skimage",
        package="scikit-image",
    ),
)
