#!/usr/bin/env bash
# mmengine 0.10.7: if a training is resumed with a longer schedule, it continues with the old schedule.
#
# Source: mmengine/runner/runner.py, Runner.resume, and mmengine/optim/scheduler/param_scheduler.py, load_state_dict: the
# checkpoint restores every attribute of a scheduler, including T_max, begin and end.
#
# Here, the config raises max_epochs and the end of the scheduler before resuming. The resumed training keeps the lr from the
# end of the old schedule (0.0155 after 4 epochs). mmengine prints no warning.
#
# Output (torch 2.13.0):
#   end of the scheduler: 8 in the config, 4 after resuming
#   lr of the first resumed iteration 0.0155, of the last 0.0155
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 "setuptools<81" "numpy<3"
cd "$work"
cat > run.py <<'P'
import os
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 1)
    def forward(self, inputs, mode="loss"):
        return dict(loss=self.head(inputs).mean())

class Show(Hook):
    def before_train(self, runner):
        self.lrs = []
        self.end = runner.param_schedulers[0].end
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.lrs.append(runner.optim_wrapper.param_groups[0]["lr"])

def run(epochs, name, resume=None):
    show = Show()
    Runner(
        model=Toy(), work_dir="work", log_level="ERROR", experiment_name=name, custom_hooks=[show],
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1)),
        train_dataloader=DataLoader([dict(inputs=torch.ones(2))] * 4, batch_size=2),
        train_cfg=dict(by_epoch=True, max_epochs=epochs), optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        param_scheduler=[dict(type="CosineAnnealingLR", T_max=epochs, eta_min_ratio=0.01, begin=0, end=epochs)],
        load_from=resume, resume=resume is not None).train()
    return show

run(4, "short")
# By default torch.load reads only weights. mmengine 0.10.7 cannot resume from weights alone.
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
longer = run(8, "longer", "work/epoch_4.pth")
print(f"end of the scheduler: 8 in the config, {longer.end} after resuming")
print(f"lr of the first resumed iteration {longer.lrs[0]:.4g}, of the last {longer.lrs[-1]:.4g}")
assert longer.end == 4 and len(longer.lrs) == 8, (longer.end, longer.lrs)
assert max(longer.lrs) - min(longer.lrs) < 1e-9 and abs(longer.lrs[0] - 0.0155) < 1e-4, longer.lrs
P
python run.py 2>/dev/null
