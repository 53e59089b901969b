"""Temporary folders that are removed even after an interrupt."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from lrdecay_cli.files.interrupts import delayed_interrupts


@contextmanager
def temporary_folder() -> Iterator[str]:
    """Create a temporary folder, yield its path, and remove the folder with its content afterwards.

    If SIGINT or SIGTERM arrives while the folder is created or removed, the signal waits until this is complete.
    """
    folder: tempfile.TemporaryDirectory[str] | None = None
    try:
        with delayed_interrupts():
            folder = tempfile.TemporaryDirectory(prefix="lrdecay-", ignore_cleanup_errors=True)
        yield folder.name
    finally:
        with delayed_interrupts():
            if folder is not None:
                folder.cleanup()
