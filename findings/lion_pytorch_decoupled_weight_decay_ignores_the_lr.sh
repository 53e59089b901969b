#!/usr/bin/env bash
# lion-pytorch 0.2.5: with decoupled_weight_decay=True a usual weight decay of 0.05 takes 5 % of each weight in every step.
#
# Source: lion_pytorch/lion_pytorch.py: weight decay is divided by the lr that the constructor was given, and then multiplied
# by the group's. At the base lr nothing of the lr is left in it: after 100 steps at 0.05 a weight without a gradient is at
# 0.6 % of what it was (AdamW at lr 1e-4: 99.95 %). "Decoupled" in AdamW's sense is what the option's False does. Layer decay,
# which sets a group's lr and not the constructor's, still reduces it.
#
# Output seen (torch 2.13.0):
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
