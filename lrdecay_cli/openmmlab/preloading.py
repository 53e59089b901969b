"""Import torch and OpenMMLab once, for many processes that are forked from this process."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterable
from contextlib import suppress

from lrdecay_cli.files.packages import ZOOS
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import import_torch
from lrdecay_cli.optimizers import effects_of

# The modules in which packages register types for configs.
_REGISTERING = ("models", "engine")
# mmengine would spend this half second in each process that looks up a package.
_LOOKED_UP_WITH = "pkg_resources"


def preload_stack(packages: Iterable[str]) -> None:
    """Import torch, mmengine and the modules of ``packages`` that register types, and prepare this process to fork."""
    import_torch()
    import torch

    import lrdecay_cli.openmmlab.audit  # noqa: F401
    from lrdecay_cli.openmmlab.build_context import quiet_stack
    from lrdecay_cli.openmmlab.config_values import distributions_of_stack, stack_versions
    from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs

    install_stubs()
    for module in (_LOOKED_UP_WITH, *(f"{package}.{name}" for package in packages for name in _REGISTERING)):
        # A child process that needs the module gets the same error and reports it.
        with suppress(Exception), quiet_stack(verbose=False):
            importlib.import_module(module)
    # Read once for all processes: the records of the installed packages, and the table of optimizers.
    distributions_of_stack(stack_versions((), "mmcv", *ZOOS))
    effects_of("", "")
    # One thread: there is one child per core, and a thread pool does not survive a fork.
    torch.set_num_threads(1)
    # Exclude existing objects from garbage collection, which would write to and so copy shared memory.
    gc.collect()
    gc.freeze()
