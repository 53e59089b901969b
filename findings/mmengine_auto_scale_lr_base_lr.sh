#!/usr/bin/env bash
# mmengine 0.10.7: auto_scale_lr multiplies the lr of every group, but not the logged base_lr.
#
# Source: mmengine/runner/runner.py, Runner.scale_lr; mmengine/optim/optimizer/optimizer_wrapper.py, OptimWrapper.get_lr.
#
# If paramwise_cfg is set, mmengine stores the optimizer's settings in base_param_settings. It logs the lr in them as base_lr,
# the reference for the lrs of the groups. scale_lr runs later and changes only the groups. So the logged lr and base_lr do not
# match.
#
# Output (torch 2.13.0): lr [0.025, 0.0025] base_lr [0.1]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 "setuptools<81" "numpy<3"
cd "$work"
cat > run.py <<'P'
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = nn.Linear(2, 2), nn.Linear(2, 1)
    def forward(self, inputs, mode="loss"):
        return dict(loss=self.head(self.backbone(inputs)).mean())

class Show(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.lr = runner.optim_wrapper.get_lr()

show = Show()
runner = Runner(
    model=Toy(), work_dir="work", log_level="ERROR", custom_hooks=[show], default_hooks=dict(checkpoint=None),
    train_dataloader=DataLoader([dict(inputs=torch.ones(2))], batch_size=1), train_cfg=dict(by_epoch=True, max_epochs=1),
    auto_scale_lr=dict(enable=True, base_batch_size=4),
    optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1), paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=0.1)))))
runner.train()
lrs = sorted(set(show.lr["lr"]), reverse=True)
print("lr", [round(lr, 6) for lr in lrs], "base_lr", sorted(set(show.lr["base_lr"])))
assert [round(lr, 6) for lr in lrs] == [0.025, 0.0025], lrs
assert set(show.lr["base_lr"]) == {0.1}, show.lr["base_lr"]
P
python run.py 2>/dev/null
