"""``plain_script.py CONFIG``: what a user would write without lrdecay, to print the groups of a config on a CPU.

Missing compiled operators are replaced by stubs, because mmdet cannot be imported without them.
"""

import sys

from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs

install_stubs()

from mmengine.config import Config  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import MODELS, init_default_scope  # noqa: E402

config = Config.fromfile(sys.argv[1])
init_default_scope(config.default_scope)
# Mixed precision cannot be built without a GPU.
config.optim_wrapper.type = "OptimWrapper"
model = MODELS.build(config.model)
optimizer = build_optim_wrapper(model, config.optim_wrapper).optimizer
for group in optimizer.param_groups:
    print(group["lr"], group["weight_decay"], len(group["params"]))
