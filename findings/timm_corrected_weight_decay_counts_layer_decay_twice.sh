#!/usr/bin/env bash
# timm 1.0.31: with corrected_weight_decay=True, a group with a tenth of the lr gets a hundredth of the weight decay. Optimizers
# whose names end in `c` (adamwc, lionc, ...) set this option.
#
# Source: timm/optim/adamw.py and others: a group decays by lr² / max_lr × weight_decay. max_lr is the highest initial lr of the
# optimizer, not of the group.
#
# The correction (arXiv 2506.02285) is for schedules, which multiply all lrs by the same factor. Layer decay multiplies each lr
# by another factor. At an lr scale of 0.1, the ratio of weight decay to step is a tenth of the ratio in the head. With AdamW it
# is equal in all layers.
#
# Output (torch 2.13.0):
#   decay of the group with 0.1 of the lr: AdamW 0.1, corrected 0.01 of the other group's decay
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 "numpy<3"
pip install -q --no-deps timm==1.0.31
cat > "$work/run.py" <<'P'
import importlib.util
import sys
import types

import torch

# Import only timm.optim, because the whole of timm needs a torchvision for this build of torch.
(folder,) = importlib.util.find_spec("timm").submodule_search_locations
for name in ("timm", "timm.optim"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder + name.removeprefix("timm").replace(".", "/")]
from timm.optim.adamw import AdamWLegacy

def moved(build, lrs=(1.0, 0.1), weight=0.02, gradient=1.0, **group):
    """Mean change of each group in the first step."""
    tensors = [torch.nn.Parameter(torch.full((16, 8), weight)) for _ in lrs]
    optimizer = build([dict(params=[tensor], lr=lr, **group) for tensor, lr in zip(tensors, lrs)])
    for tensor in tensors:
        tensor.grad = torch.full_like(tensor, gradient)
    optimizer.step()
    return [float((tensor.detach() - weight).abs().mean()) for tensor in tensors]

def ratio(**options):
    fast, slow = moved(
        lambda groups: AdamWLegacy(groups, lr=0.01, **options), (0.01, 0.001), weight=1.0, gradient=0.0, weight_decay=0.05
    )
    return round(slow / fast, 3)

plain, corrected = ratio(), ratio(corrected_weight_decay=True)
print(f"decay of the group with 0.1 of the lr: AdamW {plain}, corrected {corrected} of the other group's decay")
assert (plain, corrected) == (0.1, 0.01)
P
python "$work/run.py"
