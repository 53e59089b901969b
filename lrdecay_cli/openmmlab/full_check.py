"""Loading the stack for real: each package is imported, each zoo builds a model. Run in a process of its own.

A package that was compiled for another torch may end the interpreter instead of raising, so each step is announced on
stdout before it is done, a JSON object a line.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO

from lrdecay_cli.domain.errors import LrdecayError

ZOO_MODELS = {
    "mmdet": "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
    "mmpretrain": "mmpretrain::resnet/resnet18_8xb16_cifar10.py",
}
"""A small config of each zoo, which takes every step that a large one takes."""


def main(modules: Sequence[str]) -> None:
    """Import the modules in order, list the devices and build a model of each zoo among them; tell it on stdout."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as told:
        # What packages print when they are loaded is not ours to tell.
        os.dup2(2, 1)
        warnings.simplefilter("ignore")
        for module in modules:
            if module == "mmdet":
                _try(told, "mmcv.ops", partial(_load, "mmcv.ops"))
            _try(told, module, partial(_load, module))
        _tell(told, stand_ins=_stand_ins())
        if "torch" in sys.modules:
            _tell(told, devices=_devices())
        for module in modules:
            if module in ZOO_MODELS and module in sys.modules:
                _try(told, ZOO_MODELS[module], partial(_build, ZOO_MODELS[module]))


def _load(module: str) -> str:
    if module != "torch":
        _stand_ins()
    importlib.import_module(module)
    # Their own __init__ imports next to nothing.
    if module in ZOO_MODELS:
        importlib.import_module(f"{module}.models")
    return "loads"


def _stand_ins() -> list[tuple[str, str]]:
    if "torch" not in sys.modules:
        return []
    from lrdecay_cli.openmmlab.stubs.kernels import install_stand_ins

    return [(stand_in.name, stand_in.reason) for stand_in in install_stand_ins()]


def _build(config: str) -> str:
    from lrdecay_cli.openmmlab.audit import audit

    group_map = audit(config)
    totals = group_map.model.totals
    groups = "1 group" if len(group_map.groups) == 1 else f"{len(group_map.groups)} groups"
    return f"builds: {groups} with {totals.grouped_tensors} of {totals.tensors} tensors"


def _devices() -> list[tuple[str, str]]:
    import torch

    from lrdecay_cli.openmmlab.devices import available_devices

    described = {"cpu": f"{torch.get_num_threads()} threads", "meta": "shapes only, no memory", "mps": "Apple GPU"}
    return [
        (name, torch.cuda.get_device_name(name) if name.startswith("cuda") else described[name])
        for name in available_devices()
    ]


def _try(told: IO[str], subject: str, step: Callable[[], str]) -> None:
    _tell(told, trying=subject)
    try:
        outcome, ok = step(), True
    except LrdecayError as error:
        outcome, ok = error.line(), False
    # SystemExit too: what a package does while it is imported ends with its line here.
    except BaseException as error:
        outcome, ok = " ".join(f"{type(error).__name__}: {error}".split()), False
    _tell(told, subject=subject, ok=ok, outcome=outcome)


def _tell(told: IO[str], **record: object) -> None:
    told.write(json.dumps(record) + "\n")
    told.flush()
