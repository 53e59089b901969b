#!/usr/bin/env bash
# lion-pytorch 0.2.5: with decoupled_weight_decay=True, a usual weight decay of 0.05 reduces each weight by 5 % in every step.
#
# Source: lion_pytorch/lion_pytorch.py: the weight decay is divided by the lr of the constructor and multiplied by the lr of the
# group. At the base lr, the two lrs cancel. After 100 steps with weight decay 0.05, a weight without a gradient has 0.6 % of
# its initial value. With AdamW at lr 1e-4, it has 99.95 %.
#
# decoupled_weight_decay=False corresponds to the decoupled weight decay of AdamW. Layer decay changes the lr of a group, but
# not the lr of the constructor. So it still reduces the weight decay.
#
# Output (torch 2.13.0):
#   part of a weight that is left after 100 steps: 0.9995 without, 0.0059 with decoupled_weight_decay
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
print(f"part of a weight that is left after 100 steps: {coupled} without, {decoupled} with decoupled_weight_decay")
assert (coupled, decoupled) == (0.9995, 0.0059)
P
python "$work/run.py"
