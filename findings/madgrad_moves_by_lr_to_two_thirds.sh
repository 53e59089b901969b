#!/usr/bin/env bash
# madgrad 1.3, and its copies in timm and pytorch-optimizer: the step does not grow in proportion to the lr. A group with 0.1 of
# the lr of another group moves by 0.215 of the other's step.
#
# Source: madgrad/madgrad.py: the step is a sum of lr × gradient, divided by the cube root of a sum of lr × gradient². So it
# grows with lr^(2/3). A layer decay of 0.7 over 12 layers reduces the step to 0.058 instead of 0.0138. MirrorMADGRAD follows
# the lr.
#
# The sums contain the lrs of all previous steps, so a schedule acts late. If every lr is halved, the next steps shrink only by
# an eighth. timm adds eps to the lr, so an lr of 0 becomes 1e-6. In timm 1.0.31 and torch-optimizer 0.3.0, a group at lr 0
# trains.
#
# Output (torch 2.13.0):
#   step of the group with 0.1 of the lr: MADGRAD 0.215, MirrorMADGRAD 0.1 of the other group's step
#   step after the lr is halved: 0.877 of the step without halving
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 madgrad==1.3
cat > "$work/run.py" <<'P'
import torch
from madgrad import MADGRAD, MirrorMADGRAD

def moved(build, lrs=(1.0, 0.1), weight=0.02, gradient=1.0, **group):
    """Mean change of each group in the first step."""
    tensors = [torch.nn.Parameter(torch.full((16, 8), weight)) for _ in lrs]
    optimizer = build([dict(params=[tensor], lr=lr, **group) for tensor, lr in zip(tensors, lrs)])
    for tensor in tensors:
        tensor.grad = torch.full_like(tensor, gradient)
    optimizer.step()
    return [float((tensor.detach() - weight).abs().mean()) for tensor in tensors]

def halved():
    last = []
    for factor in (1.0, 0.5):
        weight = torch.nn.Parameter(torch.full((8,), 0.02, dtype=torch.float64))
        optimizer = MADGRAD([weight], lr=0.01)
        for number in range(13):
            if number == 11:
                optimizer.param_groups[0]["lr"] *= factor
            before = weight.detach().clone()
            weight.grad = torch.ones_like(weight)
            optimizer.step()
        last.append(float((weight.detach() - before).mean()))
    return round(last[1] / last[0], 3)

plain, mirror = (moved(lambda groups: kind(groups, lr=1.0)) for kind in (MADGRAD, MirrorMADGRAD))
plain, mirror, late = round(plain[1] / plain[0], 3), round(mirror[1] / mirror[0], 3), halved()
print(f"step of the group with 0.1 of the lr: MADGRAD {plain}, MirrorMADGRAD {mirror} of the other group's step")
print(f"step after the lr is halved: {late} of the step without halving")
assert (plain, mirror, late) == (0.215, 0.1, 0.877)
P
python "$work/run.py"
