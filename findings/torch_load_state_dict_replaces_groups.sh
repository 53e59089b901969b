#!/usr/bin/env bash
# torch 2.13.0: Optimizer.load_state_dict replaces the dictionaries in param_groups.
#
# Source: torch/optim/optimizer.py, Optimizer.load_state_dict builds new groups and sets them through __setstate__.
#
# Some code stores a reference to a group, for example a hook that sets its lr, or a logger. After a resume, the optimizer does
# not use the stored dictionary any more. Setting its lr changes nothing, and reading it returns the old lr.
#
# Output:
#   same dictionary: False; lr in the stored dictionary: 0.5, lr in the optimizer: 0.1
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 "numpy<3"
cat > "$work/run.py" <<'P'
import torch

optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
kept = optimizer.param_groups[0]
optimizer.load_state_dict(optimizer.state_dict())
kept["lr"] = 0.5
now = optimizer.param_groups[0]
print(f"same dictionary: {now is kept}; lr in the stored dictionary: {kept['lr']}, lr in the optimizer: {now['lr']}")
assert now is not kept and now["lr"] == 0.1
P
python "$work/run.py"
