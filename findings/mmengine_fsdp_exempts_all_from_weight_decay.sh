#!/usr/bin/env bash
# mmengine 0.10.7, torch 2.13.0: with flat_decay_mult=0, FSDP exempts every parameter from weight decay.
#
# Source: mmengine/runner/runner.py wraps the model in Runner.__init__ and builds the optimizer in train().
# mmengine/optim/optimizer/default_constructor.py applies flat_decay_mult to one-dimensional parameters.
# torch/distributed/fsdp/_flat_param.py (_use_sharded_views) replaces each parameter by a one-dimensional piece of the flat
# parameter.
#
# MMFullyShardedDataParallel keeps the parameters separate (use_orig_params=True is its default). Names and lr multipliers stay,
# but a four-dimensional convolution weight now counts as flat. The option is intended for norms and biases: without FSDP, the
# two weights keep their weight decay. The script runs two processes on CPUs.
#
# Output:
#   weight decay of each parameter: without FSDP [0.0, 0.0, 0.05, 0.05], with FSDP [0.0, 0.0, 0.0, 0.0]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 "setuptools<81" "numpy<3"
cd "$work"
cat > run.py <<'P'
import sys
import torch
import torch.distributed as dist
from mmengine.model import MMFullyShardedDataParallel
from mmengine.optim import build_optim_wrapper
from torch import nn

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)

def decays(wrap):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2))
    model = MMFullyShardedDataParallel(model, device_id=torch.device("cpu")) if wrap else model
    settings = dict(optimizer=dict(type="AdamW", lr=0.1, weight_decay=0.05), paramwise_cfg=dict(flat_decay_mult=0.0))
    return sorted(group["weight_decay"] for group in build_optim_wrapper(model, settings).optimizer.param_groups)

plain, sharded = decays(False), decays(True)
if rank == 0:
    print(f"weight decay of each parameter: without FSDP {plain}, with FSDP {sharded}")
assert plain == [0.0, 0.0, 0.05, 0.05], plain
assert sharded == [0.0, 0.0, 0.0, 0.0], sharded
dist.destroy_process_group()
P
export GLOO_SOCKET_IFNAME=lo
python run.py 1 "$work/store" >/dev/null 2>&1 & other=$!
python run.py 0 "$work/store" 2>/dev/null | tail -1
wait "$other"
