#!/usr/bin/env bash
# mmdet 3.3.0: the layer-decay constructor raises if the lr is a tensor, which torch.optim accepts.
#
# Source: mmdet/engine/optimizers/layer_decay_optimizer_constructor.py logs the lr of every group with json.dumps. JSON has no
# tensors. torch.optim.AdamW accepts a Tensor as lr (torch/optim/adamw.py, 2.13.0), and mmengine's default constructor passes
# the tensor to it. The script runs the installed file without the rest of mmdet.
#
# Output: default constructor: tensor; decay constructor: TypeError: Object of type Tensor is not JSON serializable
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 "setuptools<81" "numpy<3"
pip install -q --no-deps mmdet==3.3.0
cat > "$work/run.py" <<'P'
import importlib.util
import sys
import types

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

folder = importlib.util.find_spec("mmdet").submodule_search_locations[0]
sys.modules["mmdet"] = types.ModuleType("mmdet")
sys.modules["mmdet.registry"] = registry = types.ModuleType("mmdet.registry")
registry.OPTIM_WRAPPER_CONSTRUCTORS = OPTIM_WRAPPER_CONSTRUCTORS
path = f"{folder}/engine/optimizers/layer_decay_optimizer_constructor.py"
spec = importlib.util.spec_from_file_location("layer_decay", path)
spec.loader.exec_module(importlib.util.module_from_spec(spec))


class ConvNeXt(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(2)


class Detector(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = ConvNeXt()


def built(**more):
    optimizer = dict(type="AdamW", lr=torch.tensor(1e-4), weight_decay=0.05)
    return build_optim_wrapper(Detector(), dict(type="OptimWrapper", optimizer=optimizer, **more))


kind = type(built().optimizer.param_groups[0]["lr"])
assert kind is torch.Tensor, kind
decay = dict(num_layers=6, decay_rate=0.7, decay_type="layer_wise")
try:
    built(constructor="LearningRateDecayOptimizerConstructor", paramwise_cfg=decay)
except TypeError as error:
    print(f"default constructor: tensor; decay constructor: TypeError: {error}")
    assert str(error) == "Object of type Tensor is not JSON serializable", error
else:
    raise SystemExit("the decay constructor takes a tensor now")
P
python "$work/run.py"
