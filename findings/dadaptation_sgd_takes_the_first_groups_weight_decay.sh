#!/usr/bin/env bash
# dadaptation 3.2: DAdaptSGD uses the first group's weight decay for all groups: a first group without weight decay switches it
# off.
#
# Source: dadaptation/dadapt_sgd.py, step(): `decay = group['weight_decay']` is read once from self.param_groups[0], outside the
# loop over groups. mmdet's layer decay constructor makes a group without weight decay (norms and biases) and one with it for each
# layer; which one is first depends on the model.
#
# Output (torch 2.13.0):
#   weight decays 0.1 and 0: the second is pulled as far as the first (1.0); 0 and 0.1: neither is
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
print("weight decays 0.1 and 0: the second is pulled as far as the first", f"({round(decayed[1] / decayed[0], 3)}); 0 and 0.1: neither is")
assert decayed[0] == decayed[1] and plain[0] == plain[1] and decayed[0] != plain[0]
P
python "$work/run.py"
