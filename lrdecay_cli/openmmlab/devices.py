"""Devices that a model can be built on."""

from __future__ import annotations

import re

import torch

from lrdecay_cli.domain.errors import LrdecayError


def available_devices() -> list[str]:
    """Device names that ``--device`` takes on this machine."""
    devices = ["cpu", "meta"]
    devices += [f"cuda:{index}" for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def check_device(device: str) -> str:
    """Return ``device`` if a model can be built on it; raise LrdecayError with the ones that are there if not."""
    present = available_devices()
    if not re.fullmatch(r"cpu|meta|mps|cuda(:\d+)?", device):
        raise LrdecayError(
            f"unknown device {device!r}", where="--device", remedy=f"available here: {', '.join(present)}"
        )
    if device in present or (device == "cuda" and "cuda:0" in present):
        return device
    raise LrdecayError(
        f"no device {device!r} on this machine", where="--device", remedy=f"available: {', '.join(present)}"
    )
