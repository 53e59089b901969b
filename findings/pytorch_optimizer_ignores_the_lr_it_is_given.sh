#!/usr/bin/env bash
# pytorch-optimizer 4.1.0: AdaFactor(lr=...), A2Grad and ApolloDQN ignore the lr of a group, even an lr of 0. Prodigy and
# DAdapt* use the lr of the first group for all groups, without a message.
#
# Source: pytorch_optimizer/optimizer/adafactor.py: by default, relative_step=True computes the step size from the step number
# and overwrites the given lr. (transformers' Adafactor raises for an lr with relative_step=True.) a2grad.py and apollo.py never
# read group['lr']. prodigy.py and dadapt.py compute the step from self.param_groups[0].
#
# Output (torch 2.13.0):
#   step of a group with 0.1 of the lr, over the other group's step: AdaFactor 1.0, A2Grad 1.0, ApolloDQN 1.0, Prodigy 1.0, DAdaptAdam 1.0
#   AdaFactor: step at lr 0, divided by the step at lr 0.01: 1.0
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
print("step of a group with 0.1 of the lr, over the other group's step:", ", ".join(f"{name} {ratio}" for name, ratio in ratios.items()))
(usual,), (none,) = (
    moved(lambda groups: pytorch_optimizer.AdaFactor(groups, lr=0.01), (lr,)) for lr in (0.01, 0.0)
)
print("AdaFactor: step at lr 0, divided by the step at lr 0.01:", round(none / usual, 3))
assert set(ratios.values()) == {1.0}, ratios
assert none == usual
P
python "$work/run.py"
