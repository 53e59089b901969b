#!/usr/bin/env bash
# schedulefree 1.4.1 with mmengine 0.10.7: the first iteration raises, because mmengine never calls optimizer.train(). If
# train() is called, halving the lr reduces the next step only by a fifth.
#
# Source: schedulefree/adamw_schedulefree.py: in a new optimizer, train_mode is False, and step() raises "Optimizer was not in
# train mode". mmengine's OptimWrapper.step and its loops call only step().
#
# A step averages over all previous iterates, so a ParamScheduler has little effect. For a warm-up, use the option warmup_steps.
#
# Output (torch 2.13.0):
#   OptimWrapper.update_params: Exception: Optimizer was not in train mode
#   after optimizer.train(): step with half the lr, divided by the step with the full lr: 0.788
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 schedulefree==1.4.1 "setuptools<81" "numpy<3"
cat > "$work/run.py" <<'P'
import torch
from mmengine.optim import OptimWrapper
from schedulefree import AdamWScheduleFree

def new():
    weight = torch.nn.Parameter(torch.full((8,), 0.02, dtype=torch.float64))
    return weight, OptimWrapper(AdamWScheduleFree([weight], lr=0.01))

weight, wrapper = new()
try:
    wrapper.update_params(weight.sum())
    said = ""
except Exception as error:
    said = f"{type(error).__name__}: {error}".partition(" when")[0]
print("OptimWrapper.update_params:", said)
last = []
for factor in (1.0, 0.5):
    weight, wrapper = new()
    wrapper.optimizer.train()
    for number in range(13):
        if number == 11:
            wrapper.optimizer.param_groups[0]["lr"] *= factor
        before = weight.detach().clone()
        wrapper.update_params(weight.sum())
    last.append(float((weight.detach() - before).mean()))
print("after optimizer.train(): step with half the lr, divided by the step with the full lr:", round(last[1] / last[0], 3))
assert said == "Exception: Optimizer was not in train mode", said
assert 0.7 < last[1] / last[0] < 0.85
P
python "$work/run.py"
