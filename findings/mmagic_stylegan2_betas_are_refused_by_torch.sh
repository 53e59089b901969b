#!/usr/bin/env bash
# mmagic 1.2.0 with torch 2.13.0: torch rejects the optimizer of the StyleGAN2 configs, because one of the two betas is an int.
#
# Source: mmagic/.mim/configs/styleganv2/stylegan2_c2_8xb4-800kiters_ffhq-256x256.py sets betas=(0, 0.99 ** ratio), as in the
# paper. torch/optim/adam.py of 2.13.0 accepts two floats or two tensors. torch 2.5 accepted any two numbers. The script reads
# the settings of the optimizer from the installed config.
#
# Output: betas (0, 0.9919919678228657): ValueError: betas must be either both floats or both Tensors
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 "setuptools<81" "numpy<3"
pip install -q --no-deps mmagic==1.2.0
cat > "$work/run.py" <<'P'
import importlib.util

import torch
from mmengine.config import Config

folder = importlib.util.find_spec("mmagic").submodule_search_locations[0]
path = f"{folder}/.mim/configs/styleganv2/stylegan2_c2_8xb4-800kiters_ffhq-256x256.py"
settings = Config.fromfile(path, import_custom_modules=False).optim_wrapper.generator.optimizer
kind, betas = settings.pop("type"), tuple(settings.betas)
try:
    getattr(torch.optim, kind)([torch.nn.Parameter(torch.ones(2))], lr=settings.lr, betas=betas)
except ValueError as error:
    print(f"betas {betas}: ValueError: {error}")
    assert str(error) == "betas must be either both floats or both Tensors", error
else:
    raise SystemExit("torch takes an int and a float now")
torch.optim.Adam([torch.nn.Parameter(torch.ones(2))], betas=(0.0, betas[1]))
P
python "$work/run.py"
