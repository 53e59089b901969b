#!/usr/bin/env bash
# mmpretrain 1.2.0, LARS: a copied or unpickled optimizer raises in its next step.
#
# Source: mmpretrain/engine/optimizers/lars.py stores eps as an attribute of the optimizer. copy.deepcopy and pickle use
# Optimizer.__getstate__ (torch/optim/optimizer.py, 2.13.0), which returns only defaults, state and param_groups. So the copy
# has no eps. The script runs the installed file without importing mmpretrain; the file needs only torch.
#
# Output: original steps; the copy raises AttributeError: 'LARS' object has no attribute 'eps'
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 "setuptools<81" "numpy<3"
pip install -q --no-deps mmpretrain==1.2.0
cat > "$work/run.py" <<'P'
import copy
import importlib.util
import sys
import types
from pathlib import Path

import torch
from mmengine.registry import Registry

folder = Path(importlib.util.find_spec("mmpretrain").submodule_search_locations[0])
# The file registers its class in mmpretrain's registry. The script replaces this registry by an empty one of mmengine.
sys.modules["mmpretrain"] = types.ModuleType("mmpretrain")
sys.modules["mmpretrain.registry"] = registry = types.ModuleType("mmpretrain.registry")
registry.OPTIMIZERS = Registry("optimizer")
spec = importlib.util.spec_from_file_location("lars", folder / "engine" / "optimizers" / "lars.py")
lars = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lars)

parameter = torch.nn.Parameter(torch.ones(2, 2))
optimizer = lars.LARS([parameter], lr=0.1)
twin = copy.deepcopy(optimizer)
for each in (optimizer, twin):
    each.param_groups[0]["params"][0].grad = torch.ones(2, 2)
optimizer.step()
try:
    twin.step()
    said = "steps"
except AttributeError as error:
    said = f"raises AttributeError: {error}"
print("original steps; the copy", said)
assert said == "raises AttributeError: 'LARS' object has no attribute 'eps'", said
P
python "$work/run.py"
