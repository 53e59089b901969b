"""Stubs for compiled kernels that are not there, so that real modules can be built with their real parameters.

Nothing is touched where the real kernels are present. A stub refuses to compute: lrdecay builds models, it never
runs them.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

from lrdecay_cli.domain.group_map import StandIn
from lrdecay_cli.openmmlab.patching import NotHereError

# torchvision registers meta and autograd functions for these operators when it is imported, which fails unless they
# have a schema. Names and argument lists: torchvision/csrc/ops/*.cpp (TORCH_LIBRARY_FRAGMENT).
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

MMCV_OPS = StandIn("mmcv._ext", "mmcv is installed without its compiled operators")
TORCHVISION_OPS = StandIn("torchvision._C", "torchvision's compiled operators do not load on this torch")

_installed: list[StandIn] = []
_keep_alive: list[Any] = []


def install_stubs() -> tuple[StandIn, ...]:
    """Put stubs where compiled operators are missing. Safe to call again; returns all that are in place.

    Must run before torchvision and ``mmcv.ops`` are imported.
    """
    if MMCV_OPS not in _installed and _mmcv_ops_missing():
        sys.modules["mmcv._ext"] = refusing_module("mmcv._ext", "install mmcv with compiled operators")
        _installed.append(MMCV_OPS)
    if TORCHVISION_OPS not in _installed and _torchvision_ops_missing():
        _define_torchvision_schemas()
        _installed.append(TORCHVISION_OPS)
    return tuple(sorted(_installed, key=lambda stub: stub.name))


def _package_folders(package: str) -> list[str]:
    """Folders of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or []) if spec else []


def _mmcv_ops_missing() -> bool:
    folders = _package_folders("mmcv")
    if not folders or "mmcv._ext" in sys.modules:
        return False
    return importlib.machinery.PathFinder.find_spec("mmcv._ext", folders) is None


def _torchvision_ops_missing() -> bool:
    folders = _package_folders("torchvision")
    if not folders or "torchvision" in sys.modules:
        return False
    import torch

    suffixes = (*importlib.machinery.EXTENSION_SUFFIXES, ".so", ".pyd", ".dylib")
    libraries = [Path(folder, f"_C{suffix}") for folder in folders for suffix in suffixes]
    for library in filter(Path.is_file, libraries):
        try:
            # What torchvision/extension.py does a moment later; loading a library twice is harmless.
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
    # The schemas are withdrawn when the library object is collected.
    _keep_alive.append(library)


def refusing_module(name: str, remedy: str) -> types.ModuleType:
    """A module in which every name is a function that refuses to run, with a remedy for those who need it to."""
    module = types.ModuleType(name, "Stand-in for compiled operators: builds, never computes.")
    # mmengine takes the operators for present, and deformable convolutions for what they are, if there is a loader.
    module.__spec__ = importlib.machinery.ModuleSpec(name, importlib.abc.Loader())

    def refuse(operator: str) -> Any:
        if operator.startswith("__"):
            raise AttributeError(operator)

        def run(*_args: Any, **_kwargs: Any) -> None:
            problem = f"{name}.{operator} is a stand-in that cannot compute"
            raise NotHereError(problem, name.partition(".")[0], remedy)

        return run

    module.__dict__["__getattr__"] = refuse
    return module
