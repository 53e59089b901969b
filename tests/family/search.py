"""A model with an architecture and a mutator, like mmrazor's search algorithms, with mmrazor's own constructor.

Of mmrazor 1.0.0, only the registry and the constructor's file run on torch 2.13: ``mmrazor.engine`` imports
quantisation backends that have other names in the new ``torch.ao``. Therefore the file is executed alone.
"""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

CONSTRUCTOR = "mmrazor.engine.optimizers.optimizer_constructor"


def load_constructor() -> Any:
    """Return mmrazor's class, from its file alone."""
    package = find_spec("mmrazor")
    assert package is not None
    assert package.submodule_search_locations is not None
    file = Path(package.submodule_search_locations[0]).joinpath(*CONSTRUCTOR.split(".")[1:]).with_suffix(".py")
    spec = spec_from_file_location(CONSTRUCTOR, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SeparateOptimWrapperConstructor


@MODELS.register_module()
class Search(nn.Module):
    """A model with ``architecture`` and ``mutator``, the names for which mmrazor's configs define optimizers."""

    def __init__(self, architecture: dict[str, Any], **_: Any) -> None:
        super().__init__()
        self.architecture = MODELS.build(architecture)
        self.mutator = nn.ParameterDict({f"choice_{number}": torch.zeros(3) for number in range(4)})


OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=load_constructor())
