"""Check a checkpoint before torch reads it: it must be a valid archive that contains only data.

A checkpoint is a zip archive that contains a pickle. A pickle is a program. This module reads its instructions and does
not execute them. Rejecting a file does not require torch.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import CHECKPOINT_SUFFIXES, suggest_file

STUBBED = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "builtins.getattr",
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
)
"""Classes and functions that mmengine's message hub adds to a checkpoint, and that torch's ``weights_only`` rejects.

Stubs replace them during loading: see :mod:`lrdecay_cli.openmmlab.checkpoints.saved_groups`.
"""

PLAIN = (
    "collections.OrderedDict",
    "collections.Counter",
    "_codecs.encode",
    "torch.Size",
    "torch.device",
    *(f"torch._utils._rebuild_{what}" for what in ("tensor", "tensor_v2", "tensor_v3", "parameter")),
    *(
        f"torch.{kind}Storage"
        for kind in ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool")
    ),
    *(
        f"torch.{kind}"
        for kind in ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
    ),
)
"""Classes and functions that torch uses for tensors in a checkpoint, and classes of harmless containers.

torch's ``weights_only`` accepts more names. lrdecay rejects, for example, ``bytearray`` and ``torch.Tensor``, because a
file could use them to allocate any amount of memory.
"""

# Real pickles have kilobytes per thousand tensors, plus the history of a million iterations.
_LARGEST_PICKLE = 512 * 2**20
_LARGEST_DIRECTORY = 16 * 2**20
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_ZIP, _PICKLE, _TAR = b"PK\x03\x04", b"\x80", b"ustar"


def read_pickle(path: str) -> bytes:
    """Return the pickle in a checkpoint, after checking that it contains only data.

    Raises:
        LrdecayError: the file does not exist, is not an archive of torch 1.6 or newer, or is damaged. Also if entries
            are compressed or larger than declared, or if the pickle uses a name that is not in ``PLAIN`` or
            ``STUBBED``.
    """
    try:
        if Path(path).is_fifo() or Path(path).is_char_device():
            raise _refused("is not a file", path)
        with Path(path).open("rb") as file:
            _check_form(file, path)
            pickled = _pickle_of(zipfile.ZipFile(_Bounded(file)), os.fstat(file.fileno()).st_size, path)
    except FileNotFoundError as error:
        fix = suggest_file(path, CHECKPOINT_SUFFIXES) or "check the path"
        raise LrdecayError("no such file", where=path, fix=fix) from error
    except IsADirectoryError as error:
        raise LrdecayError("is a directory, not a checkpoint", where=path, fix="give a .pth file") from error
    except OSError as error:
        raise LrdecayError(f"cannot read: {error.strerror or error}", where=path) from error
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _refused(f"is damaged or incomplete ({error})", path) from error
    for name in _globals(pickled, path):
        if name not in PLAIN and name not in STUBBED:
            raise LrdecayError(
                f"uses {name!r}, which a checkpoint of parameters and numbers does not need",
                where=path,
                fix="do not load the file: it may be hostile; lrdecay did not run its code",
            )
    return pickled


def _check_form(file: BinaryIO, path: str) -> None:
    head = file.read(512)
    if not head:
        raise _refused("is empty", path)
    if head.startswith(_PICKLE) or _TAR in head:
        form = "tar archive" if _TAR in head else "bare pickle"
        raise LrdecayError(
            f"is a {form}, the format of torch before 1.6: reading the file would run code in it",
            where=path,
            fix="if you trust the file, load it and save it again with torch 1.6 or newer",
        )
    if not head.startswith(_ZIP):
        raise _refused("is not a checkpoint", path)


def _pickle_of(archive: zipfile.ZipFile, size: int, path: str) -> bytes:
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if any(name.endswith("/constants.pkl") for name in names):
        raise _refused("is a TorchScript program, not a checkpoint", path)
    pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    if len(pickles) != 1 or len(names) < len(entries):
        raise _refused("is a zip archive, but not one that torch.save wrote", path)
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size for entry in entries):
        raise _refused("has compressed entries, which torch.save never writes", path)
    if sum(entry.file_size for entry in entries) > size:
        raise _refused("declares more data than the file contains", path)
    if pickles[0].file_size > _LARGEST_PICKLE:
        raise _refused(f"contains more than {_LARGEST_PICKLE >> 20} MiB besides its tensors", path)
    return archive.read(pickles[0])


def _globals(pickled: bytes, path: str) -> Iterator[str]:
    import pickletools

    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name == "GLOBAL":
                module, name = str(argument).split(" ", 1)
                yield f"{_RENAMED.get(module, module)}.{name}"
            elif opcode.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX"):
                raise _refused(f"is not a pickle of torch.save ({opcode.name})", path)
    except (ValueError, OverflowError) as error:
        raise _refused(f"is damaged: {error}", path) from error


class _Bounded:
    """A file that rejects very large reads, which a damaged or hostile archive may request."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        # The directory is read in one call, entries in pieces.
        if size > _LARGEST_DIRECTORY:
            raise zipfile.BadZipFile("the table of contents of the zip file is too large")
        return self._file.read(size)


def _refused(problem: str, path: str) -> LrdecayError:
    return LrdecayError(problem, where=path, fix="give a .pth file of mmengine or torch.save")
