"""Whose fault it is: a config that an installed package ships, untouched, and that fails by its own fault."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.text.printing import said_by

_MACHINE = ("out of memory", "can't allocate", "cannot allocate", "too many open files", "no space left")


@contextmanager
def upstream_faults_told(config: str, cfg_options: Sequence[str], device: str) -> Iterator[None]:
    """Give an unclassified LrdecayError in here the status ``broken upstream``, if that is whose fault it is.

    Not if the user changed the config by overrides, nor if this machine or its GPU had a part in it.
    """
    try:
        yield
    except LrdecayError as error:
        blameless = cfg_options or device not in ("cpu", "meta") or _by_machine(error)
        package = None if error.status != "error" or blameless else _shipping_package(config)
        if package is None:
            raise
        raise type(error)(
            error.problem,
            where=error.where,
            remedy=f"broken as {package} ships it",
            status="broken upstream",
            final=error.final,
        ) from error.__cause__


def _by_machine(error: LrdecayError) -> bool:
    cause = error.__cause__
    if isinstance(cause, (MemoryError, OSError)):
        return not isinstance(cause, FileNotFoundError)
    return cause is not None and any(sign in said_by(cause).lower() for sign in _MACHINE)


def _shipping_package(config: str) -> str | None:
    """Name and version of the installed package whose config zoo the file is in; None for any other file."""
    try:
        path = find_config(config).absolute()
    except LrdecayError:
        return None
    for folder in path.parents:
        if folder.name != "configs" or not ({".mim", "site-packages", "dist-packages"} & {*path.parts}):
            continue
        package = folder.parent.parent if folder.parent.name == ".mim" else folder.parent
        try:
            return f"{package.name} {importlib.metadata.version(package.name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
