#!/usr/bin/env bash
# muon-optimizer 0.1.0: SingleDeviceMuon accepts biases and norms, then its first step raises an AssertionError without text. The
# class for mixed models rejects any additional key in a group.
#
# Source: muon.py: zeropower_via_newtonschulz5() asserts G.ndim >= 2 in the step. SingleDeviceMuonWithAuxAdam asserts that a group
# has exactly its own keys, so it rejects groups of constructors that record a name or a scale, also without text.
# torch.optim.Muon (2.13.0) raises at construction and names the shape.
#
# Output (torch 2.13.0):
#   SingleDeviceMuon: built, then AssertionError('') in the first step
#   SingleDeviceMuonWithAuxAdam with a key more: AssertionError('') when it is built
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 muon-optimizer==0.1.0
cat > "$work/run.py" <<'P'
import muon
import torch

model = torch.nn.Linear(4, 4)
optimizer = muon.SingleDeviceMuon([model.weight, model.bias], lr=0.02)
model(torch.ones(2, 4)).sum().backward()
try:
    optimizer.step()
    first = None
except AssertionError as error:
    first = error
print(f"SingleDeviceMuon: built, then {type(first).__name__}({str(first)!r}) in the first step")
groups = [dict(params=[model.weight], use_muon=True, lr=0.02, group_name="weights")]
try:
    muon.SingleDeviceMuonWithAuxAdam(groups)
    second = None
except AssertionError as error:
    second = error
print(f"SingleDeviceMuonWithAuxAdam with a key more: {type(second).__name__}({str(second)!r}) when it is built")
assert isinstance(first, AssertionError) and str(first) == ""
assert isinstance(second, AssertionError) and str(second) == ""
P
python "$work/run.py"
