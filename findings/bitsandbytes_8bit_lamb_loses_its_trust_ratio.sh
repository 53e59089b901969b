#!/usr/bin/env bash
# bitsandbytes 0.50.2: LAMB8bit and LARS8bit do not scale the step by the norm of the weights if a tensor has 4,096 elements or
# more.
#
# Source: bitsandbytes/optim/optimizer.py. Tensors with fewer elements than `min_8bit_size` have float32 states and use
# optimizer_update_32bit, which applies the trust ratio (`max_unorm`). Larger tensors use the blockwise 8-bit update, which does
# not apply it.
#
# At lr 0.01, a tensor of 4,032 elements moves by 6e-5, but a tensor of 4,096 elements moves by 1e-2. So small layers train 158
# times slower than large layers. LAMB with 32 bits scales the step of both tensors.
#
# Output (torch 2.13.0, CPU):
#   step with ten times larger weights: LAMB8bit 10.0 times (4,032 elements), 1.0 times (4,096); LAMB 10.0, 10.0 times
#   LAMB8bit: a tensor of 4,096 elements moves 158.1 times as far as one of 4,032
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 bitsandbytes==0.50.2 "numpy<3"
cat > "$work/run.py" <<'P'
import bitsandbytes.optim
import torch

def moved(kind, size, weight):
    tensor = torch.nn.Parameter(torch.full((size,), weight))
    optimizer = kind([tensor], lr=0.01, weight_decay=0.0)
    tensor.grad = torch.ones_like(tensor)
    optimizer.step()
    return float((tensor.detach() - weight).abs().mean())

def growth(kind, size):
    return round(moved(kind, size, 0.2) / moved(kind, size, 0.02), 1)

eight, whole = bitsandbytes.optim.LAMB8bit, bitsandbytes.optim.LAMB
found = [growth(kind, size) for kind in (eight, whole) for size in (4032, 4096)]
jump = round(moved(eight, 4096, 0.02) / moved(eight, 4032, 0.02), 1)
print("step with ten times larger weights: LAMB8bit {} times (4,032 elements), {} times (4,096); LAMB {}, {} times".format(*found))
print(f"LAMB8bit: a tensor of 4,096 elements moves {jump} times as far as one of 4,032")
assert found == [10.0, 1.0, 10.0, 10.0]
assert 150 < jump < 170
P
python "$work/run.py"
