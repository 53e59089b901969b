#!/usr/bin/env bash
# muon-optimizer 0.1.0: SingleDeviceMuon accepts biases and norms, but raises an AssertionError without a message in its first
# step. SingleDeviceMuonWithAuxAdam rejects a group that has any additional key.
#
# Source: muon.py. In each step, zeropower_via_newtonschulz5() asserts that G.ndim >= 2. SingleDeviceMuonWithAuxAdam asserts
# that a group has exactly the keys that it defines. So it rejects groups in which a constructor stores a name or a scale, also
# without a message. torch.optim.Muon (2.13.0) raises when it is built, and its message contains the shape.
#
# Output (torch 2.13.0):
#   SingleDeviceMuon: built, then AssertionError('') in the first step
#   SingleDeviceMuonWithAuxAdam with an additional key: AssertionError('') when it is built
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
print(f"SingleDeviceMuonWithAuxAdam with an additional key: {type(second).__name__}({str(second)!r}) when it is built")
assert isinstance(first, AssertionError) and str(first) == ""
assert isinstance(second, AssertionError) and str(second) == ""
P
python "$work/run.py"
