"""Test the installed packages: import each package and build a model of each zoo, in a separate process.

A package that was compiled for another torch may end the interpreter without an exception. So the name of each step is
written to stdout before the step runs, as one JSON object per line.
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
from lrdecay_cli.text.counting import count

ZOO_MODELS = {
    "mmdet": "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
    "mmpretrain": "mmpretrain::resnet/resnet18_8xb16_cifar10.py",
}
"""For each zoo, a small config. Building it takes the same steps as building a large config."""


def main(modules: Sequence[str]) -> None:
    """Import the modules in order, list the devices, and build a model of each zoo.

    The results are written to stdout as JSON lines.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        # Output of packages at import is not part of the report.
        os.dup2(2, 1)
        warnings.simplefilter("ignore")
        for module in modules:
            if module == "mmdet":
                _try(out, "mmcv.ops", partial(_load, "mmcv.ops"))
            _try(out, module, partial(_load, module))
        _report(out, stubs=_stubs())
        if "torch" in sys.modules:
            import torch

            from lrdecay_cli.openmmlab.availability import available_devices

            about = {"cpu": f"{torch.get_num_threads()} threads", "meta": "shapes without data", "mps": "Apple GPU"}
            names = available_devices()
            _report(out, devices=[(name, about.get(name) or torch.cuda.get_device_name(name)) for name in names])
        for module in modules:
            if module in ZOO_MODELS and module in sys.modules:
                _try(out, ZOO_MODELS[module], partial(_build, ZOO_MODELS[module]))


def _load(module: str) -> str:
    if module != "torch":
        _stubs()
    importlib.import_module(module)
    # The __init__ of a zoo package imports almost nothing.
    if module in ZOO_MODELS:
        importlib.import_module(f"{module}.models")
    return "loads"


def _stubs() -> list[tuple[str, str]]:
    if "torch" not in sys.modules:
        return []
    from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs

    return [(stub.name, stub.reason) for stub in install_stubs()]


def _build(config: str) -> str:
    from lrdecay_cli.openmmlab.audit import audit

    group_map = audit(config)
    totals = group_map.model.totals
    return f"builds: {count(len(group_map.groups), 'group')} with {totals.grouped_tensors} of {totals.tensors} tensors"


def _try(out: IO[str], subject: str, step: Callable[[], str]) -> None:
    _report(out, trying=subject)
    try:
        outcome, ok = step(), True
    except LrdecayError as error:
        outcome, ok = error.line(), False
    # SystemExit too: the report continues after an import that exits.
    except BaseException as error:
        outcome, ok = " ".join(f"{type(error).__name__}: {error}".split()), False
    _report(out, subject=subject, ok=ok, outcome=outcome)


def _report(out: IO[str], **record: object) -> None:
    out.write(json.dumps(record) + "\n")
    out.flush()
