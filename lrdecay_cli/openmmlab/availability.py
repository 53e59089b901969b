"""Check that a config exists, that torch and mmengine are installed, and that a device is available.

This module can be imported without torch and mmengine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files import find_config


def check_config(config: str) -> None:
    """Raise LrdecayError if the config does not exist, or if torch or mmengine is not installed."""
    find_config(config)
    check_stack(config)


def check_stack(config: str, *, file_type: str = "config", needed: Sequence[str] = ("torch", "mmengine")) -> None:
    """Raise LrdecayError unless the packages in ``needed`` are installed. The error message starts with ``config``."""
    try:
        Path.cwd()
    except OSError as error:
        # Intel's library, which torch loads, would end the process without a message.
        fix = "change to another directory"
        raise LrdecayError("the working directory no longer exists", where=config, fix=fix) from error
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        fix = 'pip install "lrdecay-cli[stack]"; to keep installed packages: pip install "lrdecay-cli[mmdet]"'
        are = "is" if len(missing) == 1 else "are"
        raise LrdecayError(
            f"a {file_type} needs {' and '.join(missing)}, which {are} not installed", where=config, fix=fix
        )


def available_devices() -> list[str]:
    """Return the device names that ``--device`` accepts on this machine."""
    import torch

    devices = ["cpu", "meta"]
    devices += [f"cuda:{index}" for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def check_device(device: str) -> str:
    """Return ``device`` if a model can be built on it.

    Raises:
        LrdecayError: the device is unknown or not available. The fix lists the available devices.
    """
    import re

    present = available_devices()
    if device in present or (device == "cuda" and "cuda:0" in present):
        return device
    if re.fullmatch(r"cpu|meta|mps|cuda(:\d+)?", device):
        problem, available = f"no device {device!r} on this machine", "available"
    else:
        problem, available = f"unknown device {device!r}", "available here"
    raise LrdecayError(problem, where="--device", fix=f"{available}: {', '.join(present)}")
