#!/usr/bin/env bash
# torch-optimizer 0.3.0: RAdam uses the lr of the first group for every group, in every step.
#
# Source: torch_optimizer/radam.py: `buffer` in the defaults is one list that all groups share. It caches the step size for a
# step number, including the lr. The first group computes the step size, and the later groups reuse it.
#
# With layer decay, the first group is often the stem (mmdet). Then the whole model trains at the lr of the stem. If the first
# group has lr 0, no group trains. Groups with their own betas have their own buffer. timm's RAdamLegacy and torch.optim.RAdam
# use the lr of each group.
#
# Output (torch 2.13.0):
#   step of the second group over step of the first: 1.0 (lrs 1 and 0.1), 1.0 (lrs 0.1 and 1)
#   torch.optim.RAdam: 0.1 (lrs 1 and 0.1)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 torch-optimizer==0.3.0
cat > "$work/run.py" <<'P'
import torch
import torch_optimizer

def moved(build, lrs=(1.0, 0.1), weight=0.02, gradient=1.0, **group):
    """Mean change of each group in the first step."""
    tensors = [torch.nn.Parameter(torch.full((16, 8), weight)) for _ in lrs]
    optimizer = build([dict(params=[tensor], lr=lr, **group) for tensor, lr in zip(tensors, lrs)])
    for tensor in tensors:
        tensor.grad = torch.full_like(tensor, gradient)
    optimizer.step()
    return [float((tensor.detach() - weight).abs().mean()) for tensor in tensors]

falling, rising = (moved(lambda groups: torch_optimizer.RAdam(groups, lr=1.0), lrs) for lrs in ((1.0, 0.1), (0.1, 1.0)))
torchs = moved(lambda groups: torch.optim.RAdam(groups, lr=1.0))
first, second, right = (round(fast[1] / fast[0], 3) for fast in (falling, rising, torchs))
print(f"step of the second group over step of the first: {first} (lrs 1 and 0.1), {second} (lrs 0.1 and 1)")
print(f"torch.optim.RAdam: {right} (lrs 1 and 0.1)")
assert (first, second, right) == (1.0, 1.0, 0.1)
assert abs(falling[0] / rising[0] - 10) < 0.01
P
python "$work/run.py"
