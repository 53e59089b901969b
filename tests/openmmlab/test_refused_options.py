"""Options of which mmengine's constructor dies, said in the config's own terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules.example_base import BASE


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class StemConstructor(DefaultOptimWrapperConstructor):
    """Has an option without a default."""

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **_: Any) -> None:
        params.append({"params": list(module.parameters()), "lr": self.base_lr * self.paramwise_cfg["stem_rate"]})


DECAY = "constructor='mmdet.LearningRateDecayOptimizerConstructor', paramwise_cfg=dict(_delete_=True)"
DEFAULT = "constructor='DefaultOptimWrapperConstructor'"


@pytest.mark.parametrize(
    ("wrapper", "problem", "remedy"),
    [
        (
            "optimizer=dict(paramwise_cfg=dict(norm_decay_mult=0.0))",
            "optim_wrapper.optimizer.paramwise_cfg is in the wrong place",
            "move it to optim_wrapper.paramwise_cfg",
        ),
        (
            "custom_keys=dict(head=dict(lr_mult=2.0))",
            "optim_wrapper.custom_keys is in the wrong place",
            "move it to optim_wrapper.paramwise_cfg.custom_keys",
        ),
        (
            "optimizer=dict(norm_decay_mult=0.0)",
            "optim_wrapper.optimizer.norm_decay_mult is in the wrong place",
            "move it to optim_wrapper.paramwise_cfg.norm_decay_mult",
        ),
        (
            "decay_rate=0.7, num_layers=6, lr=0.1",
            "optim_wrapper.decay_rate, optim_wrapper.num_layers, optim_wrapper.lr are in the wrong place",
            "move decay_rate, num_layers to optim_wrapper.paramwise_cfg, and lr to optim_wrapper.optimizer",
        ),
        (
            f"{DECAY}, decay_rate=0.7, optimizer=dict(num_layers=6, decay_type='layer_wise', clip_grad=dict())",
            "optim_wrapper.decay_rate, optim_wrapper.optimizer.num_layers, optim_wrapper.optimizer.decay_type,"
            " optim_wrapper.optimizer.clip_grad are in the wrong place",
            "move decay_rate, num_layers, decay_type to optim_wrapper.paramwise_cfg, and clip_grad to optim_wrapper",
        ),
        (
            "type='AmpOptimWrapper', norm_decay_mult=0.0, optimizer=dict(bias_lr_mult=2.0)",
            "optim_wrapper.norm_decay_mult, optim_wrapper.optimizer.bias_lr_mult are in the wrong place",
            "move norm_decay_mult, bias_lr_mult to optim_wrapper.paramwise_cfg",
        ),
        (
            f"{DEFAULT}, optimizer=dict(_delete_=True, type='SGD', lr=0.1), paramwise_cfg=dict(norm_decay_mult=0.0)",
            "norm_decay_mult has no weight decay to multiply",
            "set optim_wrapper.optimizer.weight_decay",
        ),
        (
            f"{DEFAULT}, optimizer=dict(_delete_=True, type='SGD', lr=0.1),"
            " paramwise_cfg=dict(custom_keys=dict(head=dict(decay_mult=0.0)))",
            "decay_mult of custom key 'head' has no weight decay to multiply",
            "set optim_wrapper.optimizer.weight_decay",
        ),
        (
            "constructor='StemConstructor', paramwise_cfg=dict(_delete_=True, stem_rat=0.1)",
            "the constructor needs optim_wrapper.paramwise_cfg.stem_rate",
            "did you mean that by stem_rat?",
        ),
    ],
)
def test_refused(tmp_path: Path, wrapper: str, problem: str, remedy: str) -> None:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.py").write_text(f"_base_ = 'base.py'\noptim_wrapper = dict({wrapper})\n")
    with pytest.raises(LrdecayError) as error:
        audit(str(tmp_path / "config.py"))
    assert (error.value.problem, error.value.remedy) == (problem, remedy)


def test_what_a_class_of_one_s_own_takes_is_in_its_place(tmp_path: Path) -> None:
    """Here ``num_layers`` is the optimizer's, and what is wrong is something else."""
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.py").write_text(
        "_base_ = 'base.py'\n"
        "from torch.optim import SGD\n"
        "def own(self, params, lr, num_layers=1, **options):\n"
        "    options.pop('decay_rate', None)\n"
        "    if num_layers > 2: raise ValueError('too many')\n"
        "    SGD.__init__(self, params, lr, **options)\n"
        "kind = type('Layered', (SGD,), {'__init__': own})\n"
        "optim_wrapper = dict(_delete_=True, optimizer=dict(type=kind, lr=0.1, num_layers=3, decay_rate=0.7))\n"
    )
    with pytest.raises(LrdecayError, match="too many"):
        audit(str(tmp_path / "config.py"))
