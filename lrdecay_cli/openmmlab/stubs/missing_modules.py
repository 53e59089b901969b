"""Stubs for missing modules, so that real models build with their real parameters.

Stubs of compiled operators are installed before a build. Other stubs are installed and reported only if a build fails
without them. For example, synchronised batch norm needs a process group, so lrdecay creates a process group with one
process. A stub never replaces an installed module. A stub cannot compute, but lrdecay only builds models and does not
run them.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lrdecay_cli.domain.group_map import Stub
from lrdecay_cli.files.packages import operator_libraries
from lrdecay_cli.openmmlab.patching import NotHereError, patched
from lrdecay_cli.text.printing import message_of

# torchvision registers meta and autograd functions for these operators at import, which needs their schemas.
# Names and argument lists: torchvision/csrc/ops/*.cpp (TORCH_LIBRARY_FRAGMENT).
_STRIDES = "SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w"
_DEFORM = f"Tensor offset, Tensor mask, Tensor bias, {_STRIDES}, SymInt groups, SymInt offset_groups, bool use_mask"
_POOLED = "float spatial_scale, SymInt pooled_height, SymInt pooled_width"
_INPUT_SIZE = "SymInt batch_size, SymInt channels, SymInt height, SymInt width"
TORCHVISION_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    f"roi_align(Tensor input, Tensor rois, {_POOLED}, int sampling_ratio, bool aligned) -> Tensor",
    f"_roi_align_backward(Tensor grad, Tensor rois, {_POOLED}, {_INPUT_SIZE}, int sampling_ratio, bool aligned)"
    " -> Tensor",
    f"roi_pool(Tensor input, Tensor rois, {_POOLED}) -> (Tensor, Tensor)",
    f"_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, {_POOLED}, {_INPUT_SIZE}) -> Tensor",
    f"ps_roi_align(Tensor input, Tensor rois, {_POOLED}, int sampling_ratio) -> (Tensor, Tensor)",
    f"_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor mapping, {_POOLED}, int sampling_ratio, {_INPUT_SIZE})"
    " -> Tensor",
    f"ps_roi_pool(Tensor input, Tensor rois, {_POOLED}) -> (Tensor, Tensor)",
    f"_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor mapping, {_POOLED}, {_INPUT_SIZE}) -> Tensor",
    f"deform_conv2d(Tensor input, Tensor weight, {_DEFORM}) -> Tensor",
    f"_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, {_DEFORM})"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)

MMCV_OPS = Stub("mmcv._ext", "mmcv is installed without its compiled operators")
TORCHVISION_OPS = Stub("torchvision._C", "torchvision's compiled operators do not load with the installed torch")

_installed: list[Stub] = []
_keep_alive: list[Any] = []


def install_stubs() -> tuple[Stub, ...]:
    """Install stubs for missing compiled operators, and return all installed stubs. May be called several times.

    Call this before torchvision and ``mmcv.ops`` are imported.
    """
    mmcv = [] if MMCV_OPS in _installed or "mmcv._ext" in sys.modules else _package_folders("mmcv")
    if mmcv and importlib.machinery.PathFinder.find_spec("mmcv._ext", mmcv) is None:
        sys.modules["mmcv._ext"] = refusing_module("mmcv._ext", "install mmcv with compiled operators")
        _installed.append(MMCV_OPS)
    if TORCHVISION_OPS not in _installed and _torchvision_ops_missing():
        _define_torchvision_schemas()
        _installed.append(TORCHVISION_OPS)
    return tuple(sorted(_installed, key=lambda stub: stub.name))


def _package_folders(package: str) -> list[str]:
    """Return the folders of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or []) if spec else []


def _torchvision_ops_missing() -> bool:
    folders = _package_folders("torchvision")
    if not folders or "torchvision" in sys.modules:
        return False
    import torch

    for library in [file for folder in folders for file in operator_libraries("torchvision", Path(folder)) or ()]:
        try:
            # torchvision/extension.py does the same a moment later; loading a library twice is harmless.
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return False
    return True


def _define_torchvision_schemas() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for schema in TORCHVISION_SCHEMAS:
        library.define(schema)
    # Garbage collection of the library object would remove the schemas.
    _keep_alive.append(library)


def refusing_module(name: str, fix: str) -> types.ModuleType:
    """Return a module in which every name is a function that raises an error. The error suggests ``fix``."""
    module = types.ModuleType(name, "Stub that replaces compiled operators. It can be imported but computes nothing.")
    # With a loader, mmengine treats the operators as present and recognises deformable convolutions.
    module.__spec__ = importlib.machinery.ModuleSpec(name, importlib.abc.Loader())

    def refuse(operator: str) -> Any:
        if operator.startswith("__"):
            raise AttributeError(operator)

        def run(*_args: Any, **_kwargs: Any) -> None:
            problem = f"{name}.{operator} is a stub that cannot compute"
            raise NotHereError(problem, name.partition(".")[0], fix)

        return run

    module.__dict__["__getattr__"] = refuse
    return module


_Built = TypeVar("_Built")

_BACKEND = "lrdecay_alone"
_DETR = "mmdet.models.layers.transformer"
_TRACKERS = "mmdet.models.trackers"


class OnDemandStub(NamedTuple):
    """A stub that is installed only if a build fails without it."""

    missing: str
    """Lower-case text. If the error message of a failed build contains this text, the build needs the stub."""
    stub: Stub
    within: Callable[[], AbstractContextManager[None]]


def build_with_stubs(build: Callable[[], _Built], report: Callable[[Stub], None]) -> _Built:
    """Return ``build()``. If the build fails because a module with a stub is missing, install the stub and retry.

    Raises:
        Exception: the error of the last attempt.
    """
    left = list(STUBS)
    with ExitStack() as stack:
        while True:
            try:
                return build()
            except Exception as error:
                message = message_of(error).lower()
                helpful = next((stub for stub in left if stub.missing in message), None)
                if helpful is None:
                    raise
            left.remove(helpful)
            stack.enter_context(helpful.within())
            report(helpful.stub)


@contextmanager
def _filled(replacement: Any, *places: str) -> Iterator[None]:
    """Inside this block, each name in ``places`` that is None is set to ``replacement``.

    mmdet sets a name to None if the import of an optional package failed.
    """
    with ExitStack() as stack:
        for place in places:
            module, _, name = place.rpartition(".")
            if module in sys.modules and vars(sys.modules[module]).get(name, ...) is None:
                stack.enter_context(patched(sys.modules[module], **{name: replacement}))
        yield


def _refusing(name: str, reason: str, *places: str, package: str = "") -> OnDemandStub:
    """Return the stub of a missing module. Every function in the stub raises."""
    package = package or name
    return OnDemandStub(
        f"{name} is not installed",
        Stub(name, f"not installed: {reason}"),
        lambda: _filled(refusing_module(package, f"install {package}"), *places),
    )


@contextmanager
def lone_process_group() -> Iterator[None]:
    """Initialise torch.distributed with a process group of only this process, and close it afterwards.

    The store of the group is in memory, and the backend of the group only returns rank and size. The backend gloo is
    not used, because it would resolve the name of this machine and open a port.
    """
    import torch.distributed as dist

    class Alone(dist.ProcessGroup):  # type: ignore[misc]
        def getBackendName(self) -> str:  # noqa: N802 (torch asks for this name)
            return _BACKEND

    if not hasattr(dist.Backend, _BACKEND.upper()):
        # Without device names torch warns; with them, older releases would make it their default backend.
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
        Stub(
            "torch.distributed",
            "a layer needs a process group, so lrdecay uses a temporary group with one process",
        ),
        lone_process_group,
    ),
    OnDemandStub(
        "install fairscale",
        Stub("fairscale", "not installed: activation checkpointing is skipped, which does not affect parameters"),
        lambda: _filled(
            lambda module, **_kwargs: module,
            *(f"{_DETR}.{kind}_layers.checkpoint_wrapper" for kind in ("detr", "deformable_detr", "grounding_dino")),
        ),
    ),
    _refusing(
        "lap",
        "trackers need this package only when they run",
        f"{_TRACKERS}.byte_tracker.lap",
        f"{_TRACKERS}.ocsort_tracker.lap",
    ),
    _refusing(
        *("motmetrics", "trackers need this package only when they run"),
        *(f"{_TRACKERS}.{kind}_tracker.motmetrics" for kind in ("sort", "strongsort")),
    ),
    _refusing(
        *("skimage", "BoxInst needs this package only when it runs"),
        "mmdet.models.data_preprocessors.data_preprocessor.skimage",
        package="scikit-image",
    ),
)
