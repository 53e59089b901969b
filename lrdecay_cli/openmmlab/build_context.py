"""Context managers for building a model: choose the device, and avoid output, random numbers, weights and network.

Parameter groups depend only on the structure of a model. So lrdecay neither initialises nor loads weights. Every patch
is undone after the build.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.utils import ManagerMixin
from torch import nn

from lrdecay_cli.domain.group_map import Stub
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import load_meta_kernels
from lrdecay_cli.openmmlab.patching import NotHereError, patched, patched_functions
from lrdecay_cli.openmmlab.stubs.language_models import language_models_from_facts
from lrdecay_cli.openmmlab.stubs.model_files import no_remote_files, no_weights, paths_from_repository_root


@contextmanager
def constructing(device: str, config_file: str | None = None, *, initialised: bool = False) -> Iterator[list[Stub]]:
    """In this block, build modules without loading weights and without network access.

    With the device ``meta``, the parameters also need no memory.

    Args:
        device: ``meta`` puts parameters on the meta device. For any other device, the caller moves the model.
        config_file: path of the model's config. If this config contains relative paths of other configs, the paths are
            also searched in each parent folder of ``config_file``.
        initialised: True to initialise the parameters with random numbers.

    Yields:
        A list that receives a stub for each file of weights or vocabulary that the build requests.
    """
    stubs: list[Stub] = []
    with (
        nullcontext() if initialised else _no_initialisation(),
        no_weights(stubs.append),
        language_models_from_facts(stubs.append),
        paths_from_repository_root(config_file),
        no_remote_files(stubs.append),
        no_network(),
        _parameters_on_meta() if device == "meta" else nullcontext(),
    ):
        yield stubs


@contextmanager
def _no_initialisation() -> Iterator[None]:
    """Make the in-place functions of ``torch.nn.init`` return their tensor unchanged.

    Groups and error messages stay the same. A build is about 20 times faster, because it draws no random numbers and
    does not write to the memory of the weights.
    """
    active = True

    def untouched(original: Callable[..., Any]) -> Callable[..., Any]:
        # A module first imported in this block may store this function, so the function checks if the block has ended.
        def initialise(*args: Any, **kwargs: Any) -> Any:
            if not active:
                return original(*args, **kwargs)
            return args[0] if args else kwargs["tensor"]

        return initialise

    in_place = {
        name: untouched(function)
        for name, function in vars(torch.nn.init).items()
        if name.endswith("_") and not name.startswith("_") and callable(function)
    }
    try:
        with patched(torch.nn.init, **in_place):
            yield
    finally:
        active = False


@contextmanager
def no_network() -> Iterator[None]:
    """Refuse every network connection while a model is built.

    A refused connection raises the same Python audit event as a real connection.
    """

    def no_connection(connection: socket.socket, address: Any) -> None:
        sys.audit("socket.connect", connection, address)
        raise _RefusedConnectionError(
            f"the model tries to connect to {address!r}, and lrdecay downloads nothing", "network access"
        )

    def no_lookup(host: Any, port: Any, *options: Any, **_named: Any) -> None:
        sys.audit("socket.getaddrinfo", host, port, *options)
        raise _RefusedConnectionError(
            f"the model tries to connect to {host!r}, and lrdecay downloads nothing", "network access"
        )

    with (
        patched(socket.socket, connect=no_connection, connect_ex=no_connection),
        patched_functions(socket, getaddrinfo=no_lookup),
    ):
        yield


class _RefusedConnectionError(NotHereError, ConnectionRefusedError):
    """Raised for a refused connection. The class is an OSError, because libraries handle OSErrors."""


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Move each parameter to the meta device when a module registers it. Tied parameters stay tied.

    ``with torch.device("meta")`` does not work for all models. For example, mmpretrain's ConvNeXt calls ``.item()`` on
    a tensor from ``torch.linspace``.
    """
    load_meta_kernels()
    register = nn.Module.register_parameter
    # Keep the originals so that their ids stay unique. Without writes they cost no memory.
    moved: dict[int, tuple[nn.Parameter, nn.Parameter, bool]] = {}

    def register_on_meta(module: nn.Module, name: str, param: nn.Parameter | None) -> None:
        # Exactly nn.Parameter: a lazy parameter has no shape to move yet.
        if param is not None and type(param) is nn.Parameter and not param.is_meta:
            if id(param) not in moved:
                meta = nn.Parameter(param.detach().to("meta"), requires_grad=param.requires_grad)
                meta.__dict__.update(param.__dict__)
                moved[id(param)] = (param, meta, param.requires_grad)
            param = moved[id(param)][1]
        register(module, name, param)

    with patched(nn.Module, register_parameter=register_on_meta):
        yield
    for original, meta, as_registered in moved.values():
        # A module that kept the registered tensor may have frozen it afterwards.
        if original.requires_grad != as_registered:
            meta.requires_grad_(original.requires_grad)


@contextmanager
def fresh_managers() -> Iterator[None]:
    """After the block, remove the default scope, logger, message hub and visualizer that a Runner created inside the
    block.

    Otherwise mmengine would still use these objects after the block. The next Runner would also get the same objects if
    it has the same experiment name and starts in the same second. Source: mmengine 0.10.7, ``utils/manager.py``,
    ``Runner.__init__``.
    """
    before = {kind: set(kind._instance_dict) for kind in _kinds_of(ManagerMixin)}
    try:
        yield
    finally:
        for kind in _kinds_of(ManagerMixin):
            for name in kind._instance_dict.keys() - before.get(kind, set()):
                del kind._instance_dict[name]


def _kinds_of(kind: Any) -> Iterator[Any]:
    yield kind
    for derived in kind.__subclasses__():
        yield from _kinds_of(derived)


@contextmanager
def without_prints() -> Iterator[None]:
    """Discard printed output in this block if logging is disabled.

    mmseg's constructor prints a line for each parameter.
    """
    if logging.root.manager.disable < logging.CRITICAL:
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


@contextmanager
def quiet_stack(verbose: bool) -> Iterator[None]:
    """Send the output of torch and OpenMMLab to stderr. Unless ``verbose``, discard their warnings and log lines.

    mmdet's constructor logs a line for each parameter. mmengine's logger always writes to the stdout that was current
    when the logger was created.
    """
    logger = MMLogger.get_current_instance()
    console = [handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler)]
    streams = [handler.stream for handler in console]
    level, disabled = logger.level, logging.root.manager.disable
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("ignore")
            # Other libraries have their own loggers (transformers).
            logging.disable(logging.CRITICAL)
        for handler in console:
            # setStream would flush the old stream, which a test runner may have closed.
            handler.stream = sys.stderr
        logger.setLevel(logging.INFO if verbose else logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)
            logger.setLevel(level)
            for handler, stream in zip(console, streams, strict=True):
                handler.stream = stream
