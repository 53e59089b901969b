"""Importing the stack once, for many processes that are forked from this one."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterable
from contextlib import suppress

from lrdecay_cli.openmmlab.lazy_imports.stack_imports import import_torch

# The modules in which a package registers what configs name, where it has them.
_REGISTERING = ("models", "engine")
# Half a second, which mmengine would spend in each process that looks up a package.
_LOOKED_UP_WITH = "pkg_resources"


def preload_stack(packages: Iterable[str]) -> None:
    """Import torch, mmengine and what ``packages`` register, and make ready for forks."""
    import_torch()
    import torch

    import lrdecay_cli.openmmlab.audit  # noqa: F401
    from lrdecay_cli.openmmlab.build_context import quiet_stack
    from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs

    install_stubs()
    for module in (_LOOKED_UP_WITH, *(f"{package}.{name}" for package in packages for name in _REGISTERING)):
        # Whoever needs it runs into the same, and says so in words of its own.
        with suppress(Exception), quiet_stack(verbose=False):
            importlib.import_module(module)
    # One thread: the children are as many as there are cores, and a thread pool does not survive a fork.
    torch.set_num_threads(1)
    # Nothing that exists by now is ever collected: a collection would write to, and so copy, memory that is shared.
    gc.collect()
    gc.freeze()
