#!/usr/bin/env bash
# mmyolo 0.6.0: YOLOv5ParamSchedulerHook starts the lr of the third parameter group at 0.1, no matter which tensors the group
# has.
#
# Source: mmyolo/engine/hooks/yolov5_param_scheduler_hook.py, before_train_iter: the group with index 2 starts at warmup_bias_lr
# (0.1), the other groups start at 0. mmyolo's own constructor puts the biases into this group. Other constructors put other
# tensors there.
#
# mmengine's default constructor makes one group for each tensor. In this script, the third group contains a weight of the layer
# whose lr custom_keys reduces. The script runs the installed file without the rest of mmyolo.
#
# Output:
#   lr of each group in the first iteration: [0.0, 0.0, 0.1, 0.0]; initial lr: [0.01, 0.01, 0.0001, 0.0001]
#   tensor in the third group: backbone.1.weight
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 "setuptools<81" "numpy<3"
pip install -q --no-deps mmyolo==0.6.0
cd "$work"
cat > run.py <<'P'
import importlib.util
import sys
import types

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

folder = importlib.util.find_spec("mmyolo").submodule_search_locations[0]
sys.modules["mmyolo"] = types.ModuleType("mmyolo")
sys.modules["mmyolo.registry"] = registry = types.ModuleType("mmyolo.registry")
registry.HOOKS = HOOKS
spec = importlib.util.spec_from_file_location("hook", f"{folder}/engine/hooks/yolov5_param_scheduler_hook.py")
spec.loader.exec_module(importlib.util.module_from_spec(spec))


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))

    def forward(self, inputs, mode="loss"):
        return dict(loss=self.backbone(inputs).mean())


class Show(Hook):
    priority = "VERY_LOW"

    def before_train(self, runner):
        self.planned = [group["initial_lr"] for group in runner.optim_wrapper.optimizer.param_groups]

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.first = [float(group["lr"]) for group in runner.optim_wrapper.optimizer.param_groups]


show = Show()
runner = Runner(
    model=Toy(), work_dir="work", log_level="ERROR", custom_hooks=[show],
    default_hooks=dict(checkpoint=None, param_scheduler=dict(type="YOLOv5ParamSchedulerHook")),
    train_dataloader=DataLoader([dict(inputs=torch.ones(2))], batch_size=1), train_cfg=dict(by_epoch=True, max_epochs=1),
    optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9),
                       paramwise_cfg=dict(custom_keys={"backbone.1": dict(lr_mult=0.01)})))
runner.train()
group = runner.optim_wrapper.optimizer.param_groups[2]
third = next(name for name, tensor in runner.model.named_parameters() if tensor is group["params"][0])
print(f"lr of each group in the first iteration: {show.first}; initial lr: {show.planned}")
print(f"tensor in the third group: {third}")
assert show.first == [0.0, 0.0, 0.1, 0.0], show.first
assert show.planned == [0.01, 0.01, 0.0001, 0.0001], show.planned
assert third == "backbone.1.weight", third
P
python run.py
