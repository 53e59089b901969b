#!/usr/bin/env bash
# dadaptation 3.2: DAdaptSGD uses the weight decay of the first group for all groups. If the first group has no weight decay, no
# group decays.
#
# Source: dadaptation/dadapt_sgd.py, step(): `decay = group['weight_decay']` is read once from self.param_groups[0], outside the
# loop over the groups.
#
# For each layer, mmdet's layer decay constructor makes one group without weight decay (norms and biases) and one group with it.
# It depends on the model which group is the first.
#
# Output (torch 2.13.0):
#   weight decay 0.1 for the first group, 0 for the second: equal decay of the weights (1.0)
#   0 for the first, 0.1 for the second: no decay of the weights
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 dadaptation==3.2 "setuptools<81" "numpy<3"
cat > "$work/run.py" <<'P'
import torch
from dadaptation import DAdaptSGD

def moved(*decays):
    tensors = [torch.nn.Parameter(torch.full((16, 8), 2.0, dtype=torch.float64)) for _ in decays]
    optimizer = DAdaptSGD([dict(params=[t], weight_decay=decay) for t, decay in zip(tensors, decays)], lr=1.0)
    for _ in range(3):
        for tensor in tensors:
            tensor.grad = torch.ones_like(tensor)
        optimizer.step()
    return [float((tensor.detach() - 2.0).abs().mean()) for tensor in tensors]

decayed, plain = moved(0.1, 0.0), moved(0.0, 0.1)
print("weight decay 0.1 for the first group, 0 for the second: equal decay of the weights", f"({round(decayed[1] / decayed[0], 3)})")
print("0 for the first, 0.1 for the second: no decay of the weights")
assert decayed[0] == decayed[1] and plain[0] == plain[1] and decayed[0] != plain[0]
P
python "$work/run.py"
