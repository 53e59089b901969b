"""Loading a checkpoint: nothing in it is run, and its tensors stay on disk."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.checkpoint_archive import STOOD_IN, read_pickle

# Older ones may run what a hostile file holds in spite of weights_only: CVE-2025-32434, CVE-2026-24747.
_SAFE_TORCH = (2, 10)
_FORMATS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "u8": "Q", "u4": "I"}


class Inert:
    """Takes the place of a class or function that a checkpoint names: whatever it is given, it does nothing."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class InertDtype(Inert):
    """``numpy.dtype``: remembers what it is called, so that a number can be read."""

    def __init__(self, code: object = None, *_arguments: object) -> None:
        self.code = code


def numpy_number(dtype: object = None, raw: object = None) -> float | int | Inert:
    """``numpy.core.multiarray.scalar``: the number in ``raw``, little-endian as all of them are today."""
    form = _FORMATS.get(str(getattr(dtype, "code", None)))
    if form and isinstance(raw, bytes) and len(raw) == struct.calcsize(f"<{form}"):
        number: float | int = struct.unpack(f"<{form}", raw)[0]
        return number
    return Inert()


_INERT: dict[str, Any] = {"dtype": InertDtype, "scalar": numpy_number}
"""By the last part of a name; any other is replaced by :class:`Inert`."""


def load_checkpoint(path: str) -> tuple[Mapping[str, Any], bytes]:
    """What is in a checkpoint, with tensors that are mapped and not read; and its pickle.

    ``torch.load(weights_only=True, mmap=True)``, with what mmengine's message hub adds (histories, numpy scalars)
    replaced by objects that do nothing.

    Raises:
        LrdecayError: :func:`files.checkpoint_archive.read_pickle` or torch refuses it, or this torch is not to be
            trusted with it.
    """
    pickled = read_pickle(path)
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _SAFE_TORCH:
        raise LrdecayError(
            f"torch {torch.__version__} may run what a hostile checkpoint holds, weights_only or not (CVE-2026-24747)",
            where=path,
            remedy='read it where torch is 2.10 or newer: pip install "lrdecay-cli[stack]"',
        )
    try:
        # Two readers of zip files may see two different archives in one file.
        if torch.PyTorchFileReader(path).get_record("data.pkl") != pickled:
            raise ValueError("two directories in one file")
        inert = [(_INERT.get(name.rpartition(".")[2], Inert), name) for name in STOOD_IN]
        with warnings.catch_warnings(), torch.serialization.safe_globals(inert):
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        # What torch complains of, without its advice to load the file without care.
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and "documentation" not in line]
        reason = "".join(c if c.isprintable() else "?" for c in lines[-1][:200]) if lines else "no message"
        raise LrdecayError(f"is not a sound checkpoint ({type(error).__name__}: {reason})", where=path) from error
    if not isinstance(loaded, Mapping):
        raise LrdecayError(f"holds a {type(loaded).__name__}, not the dict of a checkpoint", where=path)
    return loaded, pickled
