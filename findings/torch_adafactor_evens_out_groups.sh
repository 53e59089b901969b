#!/usr/bin/env bash
# torch 2.13.0, torch.optim.Adafactor: during training, the steps of two groups with different lrs become equal.
#
# Source: torch/optim/_adafactor.py, _single_tensor_adafactor: the step is multiplied by min(lr, 1 / sqrt(step)) and by the RMS
# of the weights. 1 / sqrt(step) is smaller than an lr of 1e-2 from step 10,000 on, and smaller than an lr of 1e-3 from step
# 1,000,000 on.
#
# Two groups with lrs 1e-2 and 1e-3 have steps with a ratio of 10 at step 100. The ratio is 5 at step 40,000, 3.2 at step
# 100,000 and 1 at step 1,000,000.
#
# Output:
#   step: ratio of the two steps
#   100: 10.0 / 40000: 5.0 / 100000: 3.16 / 1000000: 1.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 "numpy<3"
cat > "$work/run.py" <<'P'
import torch

def ratio(step):
    groups = [torch.nn.Parameter(torch.full((4, 4), 0.02)) for _ in range(2)]
    optimizer = torch.optim.Adafactor([dict(params=[groups[0]], lr=1e-2), dict(params=[groups[1]], lr=1e-3)], weight_decay=0.0)
    for parameter in groups:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for parameter in groups:
        with torch.no_grad():
            parameter.fill_(0.02)
        optimizer.state[parameter]["step"].fill_(step - 1.0)
    optimizer.step()
    moved = [float((parameter.detach() - 0.02).abs().mean()) for parameter in groups]
    return moved[0] / moved[1]

seen = {step: round(ratio(step), 2) for step in (100, 40_000, 100_000, 1_000_000)}
print("step: ratio of the two steps")
print(*(f"{step}: {value}" for step, value in seen.items()), sep=" / ")
expected = {100: 10.0, 40_000: 5.0, 100_000: 3.16, 1_000_000: 1.0}
assert all(abs(seen[step] - value) < 0.05 for step, value in expected.items()), seen
P
python "$work/run.py"
