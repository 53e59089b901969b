#!/usr/bin/env bash
# pytorch-optimizer 4.1.0: AdaFactor(lr=...), A2Grad and ApolloDQN ignore the lr of a group, even 0. Prodigy and DAdapt* use the
# first group's lr for all groups, without a message.
#
# Source: pytorch_optimizer/optimizer/adafactor.py: relative_step=True is the default and computes the step size from the step
# number, which overwrites the given lr. a2grad.py and apollo.py never read group['lr']. prodigy.py and dadapt.py compute the step
# from self.param_groups[0]. (transformers' Adafactor raises for an lr with relative_step=True.)
#
# Output (torch 2.13.0):
#   moves of a group at 0.1 of the lr: AdaFactor 1.0, A2Grad 1.0, ApolloDQN 1.0, Prodigy 1.0, DAdaptAdam 1.0
#   AdaFactor at lr 0 moves by 1.0 of what it does at lr 0.01
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 pytorch-optimizer==4.1.0 "numpy<3"
cat > "$work/run.py" <<'P'
import pytorch_optimizer
import torch

def moved(build, lrs=(1.0, 0.1), weight=0.02, gradient=1.0, **group):
    """Mean change of each group in the first step."""
    tensors = [torch.nn.Parameter(torch.full((16, 8), weight)) for _ in lrs]
    optimizer = build([dict(params=[tensor], lr=lr, **group) for tensor, lr in zip(tensors, lrs)])
    for tensor in tensors:
        tensor.grad = torch.full_like(tensor, gradient)
    optimizer.step()
    return [float((tensor.detach() - weight).abs().mean()) for tensor in tensors]

ratios = {}
for name in ("AdaFactor", "A2Grad", "ApolloDQN", "Prodigy", "DAdaptAdam"):
    kind = getattr(pytorch_optimizer, name)
    fast, slow = moved(lambda groups: kind(groups, lr=1.0))
    ratios[name] = round(slow / fast, 3)
print("moves of a group at 0.1 of the lr:", ", ".join(f"{name} {ratio}" for name, ratio in ratios.items()))
(usual,), (none,) = (
    moved(lambda groups: pytorch_optimizer.AdaFactor(groups, lr=0.01), (lr,)) for lr in (0.01, 0.0)
)
print("AdaFactor at lr 0 moves by", round(none / usual, 3), "of what it does at lr 0.01")
assert set(ratios.values()) == {1.0}, ratios
assert none == usual
P
python "$work/run.py"
