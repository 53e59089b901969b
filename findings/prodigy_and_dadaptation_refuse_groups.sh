#!/usr/bin/env bash
# prodigyopt 1.1.2 and dadaptation 3.2: the optimizers accept groups with different lrs when they are built, but raise in the
# first step. DAdaptAdaGrad uses the lr of the first group for all groups, without a message.
#
# Source: prodigyopt/prodigy.py and dadaptation/dadapt_*.py, step(): while these optimizers compute the step, they compare the
# lr of each group with the lr of the first group, or use the lr of the first group.
#
# So a config with several lrs, from layer decay or lr_mult, builds. The training ends in its first iteration, after loading
# data and weights.
#
# Output (torch 2.13.0):
#   Prodigy RuntimeError / DAdaptAdam RuntimeError / DAdaptSGD RuntimeError / DAdaptLion RuntimeError
#   DAdaptAdaGrad: step of a group with lr 0.1, divided by the step of a group with lr 1: 1.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 prodigyopt==1.1.2 dadaptation==3.2 "numpy<3" "setuptools<81"
cat > "$work/run.py" <<'P'
import dadaptation
import prodigyopt
import torch

def stepped(kind):
    groups = [torch.nn.Parameter(torch.full((4, 4), 0.02)) for _ in range(2)]
    optimizer = kind([dict(params=[groups[0]], lr=1.0), dict(params=[groups[1]], lr=0.1)], lr=1.0)
    for _ in range(2):
        for parameter in groups:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    moved = [float((parameter.detach() - 0.02).abs().mean()) for parameter in groups]
    return moved[1] / moved[0]

refused = {}
for kind in (prodigyopt.Prodigy, dadaptation.DAdaptAdam, dadaptation.DAdaptSGD, dadaptation.DAdaptLion):
    try:
        stepped(kind)
    except Exception as error:
        refused[kind.__name__] = type(error).__name__
print(" / ".join(f"{name} {error}" for name, error in refused.items()))
alike = stepped(dadaptation.DAdaptAdaGrad)
print("DAdaptAdaGrad: step of a group with lr 0.1, divided by the step of a group with lr 1:", round(alike, 3))
assert refused == dict.fromkeys(("Prodigy", "DAdaptAdam", "DAdaptSGD", "DAdaptLion"), "RuntimeError"), refused
assert abs(alike - 1) < 0.01, alike
P
python "$work/run.py"
