"""Names of the distributions that install a package, and the packages that contain config zoos."""

from __future__ import annotations

import re
from pathlib import Path

ZOOS = (
    *("mmdet", "mmpretrain", "mmseg", "mmpose", "mmyolo", "mmrotate", "mmdet3d", "mmocr", "mmaction"),
    *("mmagic", "mmselfsup", "mmrazor"),
)
"""Packages that contain a config zoo."""

_OTHERWISE_NAMED = {
    "mmengine": ("mmengine", "mmengine-lite"),
    "mmcv": ("mmcv", "mmcv-lite", "mmcv-full"),
    "mmseg": ("mmsegmentation",),
    "mmaction": ("mmaction2",),
    # Under its own name PyPI has only MMRotate 0.3, which is built on mmcv 1.
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
    """Return the distributions that install a package; the first is recommended. ``package`` is an import name."""
    return _OTHERWISE_NAMED.get(package, (package,))


def is_otherwise_named(package: str) -> bool:
    """True if a package has a distribution with another name, for example ``mmsegmentation`` for ``mmseg``."""
    return package in _OTHERWISE_NAMED


def distribution_of(package: str) -> str:
    """Return the distribution to install for an import name."""
    return distributions_of(package)[0]


_OPERATORS = {"mmcv": "_ext", "torchvision": "_C"}
_LIBRARY_SUFFIXES = (".so", ".pyd", ".dylib")


def operator_libraries(package: str, folder: Path) -> list[Path] | None:
    """Return the libraries with compiled operators in a package's folder; None if the package never has such libraries.

    Source: mmcv 2.1.0 names its library ``_ext``. According to ``extension.py`` of torchvision 0.28.0 and 0.29.1, the
    library of torchvision is ``_C``, and from 0.29 on ``_C_stable``.
    """
    if package not in _OPERATORS:
        return None
    return sorted(file for file in folder.glob(f"{_OPERATORS[package]}*") if file.suffix in _LIBRARY_SUFFIXES)


MMCV_RANGE = ">=2.0.0rc4,<2.2.0"
"""The mmcv versions that mmdet 3.3.0 accepts. Used if mmdet is not installed."""


def fitting_torchvision(torch: str | None) -> str:
    """Return the torchvision requirement for a torch version. For example, ``torchvision==0.15.*`` for torch 2.0."""
    numbers = [int(number) for number in re.findall(r"\d+", torch or "")[:2]]
    if len(numbers) < 2 or numbers[0] not in (1, 2):
        return "torchvision"
    return f"torchvision==0.{numbers[1] + (15 if numbers[0] == 2 else 1)}.*"
