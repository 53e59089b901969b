"""Packages by import name: the distributions that bring them, and the package zoos of configs."""

from __future__ import annotations

import re
from pathlib import Path

ZOOS = (
    *("mmdet", "mmpretrain", "mmseg", "mmpose", "mmyolo", "mmrotate", "mmdet3d", "mmocr", "mmaction"),
    *("mmagic", "mmselfsup", "mmrazor"),
)
"""Packages that bring configs."""

_OTHERWISE_NAMED = {
    "mmengine": ("mmengine", "mmengine-lite"),
    "mmcv": ("mmcv", "mmcv-lite", "mmcv-full"),
    "mmseg": ("mmsegmentation",),
    "mmaction": ("mmaction2",),
    # PyPI has MMRotate 0.3 alone under its own name, which is built on mmcv 1.
    "mmrotate": ("mmrotate-dev", "mmrotate"),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "lap": ("lap", "lapx"),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "PIL": ("pillow",),
    "yaml": ("pyyaml",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "pkg_resources": ("setuptools",),
    "google": ("protobuf",),
    "MinkowskiEngine": ("MinkowskiEngine",),
    "json_tricks": ("json-tricks",),
    "face_alignment": ("face-alignment",),
    "controlnet_aux": ("controlnet-aux",),
    "attr": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "dateutil": ("python-dateutil",),
    "flash_attn": ("flash-attn",),
    "git": ("gitpython",),
    "mamba_ssm": ("mamba-ssm",),
    "causal_conv1d": ("causal-conv1d",),
    "nuscenes": ("nuscenes-devkit",),
    "open_clip": ("open-clip-torch",),
    "ot": ("pot",),
    "Polygon": ("polygon3",),
    "pytorch_lightning": ("pytorch-lightning",),
    "torch_scatter": ("torch-scatter",),
    "torch_geometric": ("torch-geometric",),
}


def distributions_of(package: str) -> tuple[str, ...]:
    """The distributions that bring a package of that import name, the one to install first."""
    return _OTHERWISE_NAMED.get(package, (package,))


def is_otherwise_named(package: str) -> bool:
    """Whether the distribution of a package is known by its import name, and has another or several."""
    return package in _OTHERWISE_NAMED


def distribution_of(package: str) -> str:
    """The distribution to install for a package of that import name."""
    return distributions_of(package)[0]


_OPERATORS = {"mmcv": "_ext", "torchvision": "_C"}
_LIBRARY_SUFFIXES = (".so", ".pyd", ".dylib")


def operator_libraries(package: str, folder: Path) -> list[Path] | None:
    """The libraries of compiled operators in a package's folder; None for a package that has none in any build.

    Source: mmcv 2.1.0, ``mmcv._ext``; torchvision 0.28.0 and 0.29.1, ``extension.py``: ``_C``, from 0.29 on
    ``_C_stable``.
    """
    if package not in _OPERATORS:
        return None
    return sorted(file for file in folder.glob(f"{_OPERATORS[package]}*") if file.suffix in _LIBRARY_SUFFIXES)


MMCV_RANGE = ">=2.0.0rc4,<2.2.0"
"""The mmcv that mmdet 3.3.0 takes, for a machine that has no mmdet to ask yet."""


def fitting_torchvision(torch: str | None) -> str:
    """Requirement of the torchvision series for a torch: 0.15 came with 2.0 and 0.14 with 1.13, one by one since."""
    numbers = [int(number) for number in re.findall(r"\d+", torch or "")[:2]]
    if len(numbers) < 2 or numbers[0] not in (1, 2):
        return "torchvision"
    return f"torchvision==0.{numbers[1] + (15 if numbers[0] == 2 else 1)}.*"
