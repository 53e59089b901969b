#!/usr/bin/env bash
# lion-pytorch 0.2.5: with decoupled_weight_decay=True a usual weight decay of 0.05 removes 5 % of each weight in every step.
#
# Source: lion_pytorch/lion_pytorch.py: weight decay is divided by the constructor's lr and multiplied by the group's lr. At the
# base lr both cancel: after 100 steps at 0.05 a weight without a gradient has 0.6 % of its value (AdamW at lr 1e-4: 99.95 %). In
# AdamW's sense, False is the decoupled setting. Layer decay changes a group's lr and not the constructor's, so it still reduces
# the decay.
#
# Output (torch 2.13.0):
#   left of a weight after 100 steps: 0.9995 without, 0.0059 with decoupled_weight_decay
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 lion-pytorch==0.2.5
cat > "$work/run.py" <<'P'
import torch
from lion_pytorch import Lion

def left(decoupled):
    weight = torch.nn.Parameter(torch.ones(8, dtype=torch.float64))
    optimizer = Lion([weight], lr=1e-4, weight_decay=0.05, decoupled_weight_decay=decoupled)
    for _ in range(100):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
    return round(float(weight.detach().mean()), 4)

coupled, decoupled = left(False), left(True)
print(f"left of a weight after 100 steps: {coupled} without, {decoupled} with decoupled_weight_decay")
assert (coupled, decoupled) == (0.9995, 0.0059)
P
python "$work/run.py"
