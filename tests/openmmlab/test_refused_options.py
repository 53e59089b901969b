"""Options for which mmengine's constructor raises, reported with the config's own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules.registry import BASE


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class StemConstructor(DefaultOptimWrapperConstructor):
    """Has an option without a default."""

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **_: Any) -> None:
        params.append({"params": list(module.parameters()), "lr": self.base_lr * self.paramwise_cfg["stem_rate"]})


DECAY = "constructor='mmdet.LearningRateDecayOptimizerConstructor', paramwise_cfg=dict(_delete_=True)"
DEFAULT = "constructor='DefaultOptimWrapperConstructor'"
WRITE_OPTIMIZER = "write optimizer=dict(type=..., lr=...)"


@pytest.mark.parametrize(
    ("wrapper", "problem", "fix"),
    [
        (
            "optimizer=dict(betas=(0, 0.99))",
            "optim_wrapper.optimizer.betas is (0, 0.99), an int and a float, which torch 2.6 and later refuse",
            "write betas=(0.0, 0.99), or train with torch<2.6",
        ),
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
            "norm_decay_mult needs a weight decay to multiply, but the config sets none",
            "set optim_wrapper.optimizer.weight_decay",
        ),
        (
            f"{DEFAULT}, optimizer=dict(_delete_=True, type='SGD', lr=0.1),"
            " paramwise_cfg=dict(custom_keys=dict(head=dict(decay_mult=0.0)))",
            "decay_mult of custom key 'head' needs a weight decay to multiply, but the config sets none",
            "set optim_wrapper.optimizer.weight_decay",
        ),
        (
            "constructor='StemConstructor', paramwise_cfg=dict(_delete_=True, stem_rat=0.1)",
            "the constructor needs optim_wrapper.paramwise_cfg.stem_rate",
            "did you mean stem_rate instead of stem_rat?",
        ),
        (
            f"{DEFAULT}, optimizer=dict(momentum=0.9)",
            "optim_wrapper.optimizer.momentum is not an option of AdamW",
            "remove it; if a base sets it, write optimizer=dict(_delete_=True, type='AdamW', ...)",
        ),
        (
            f"{DEFAULT}, optimizer=dict(momentum=0.9, nesterov=True)",
            "optim_wrapper.optimizer.momentum, optim_wrapper.optimizer.nesterov are not options of AdamW",
            "remove them; if a base sets them, write optimizer=dict(_delete_=True, type='AdamW', ...)",
        ),
        (
            f"{DEFAULT}, optimizer=dict(weight_decy=0.1)",
            "optim_wrapper.optimizer.weight_decy is not an option of AdamW",
            "did you mean weight_decay?",
        ),
        (
            f"{DEFAULT}, param_wise_cfg=dict(norm_decay_mult=0)",
            "optim_wrapper.param_wise_cfg is not an option of OptimWrapper",
            "did you mean paramwise_cfg?",
        ),
        (f"{DEFAULT}, optimizer=None", "optim_wrapper.optimizer is None, not a dict", WRITE_OPTIMIZER),
        (
            f"{DEFAULT}, optimizer=dict(lr='1e-4')",
            "optim_wrapper.optimizer.lr is '1e-4', a str, not a number",
            "write 1e-4 without quotes, in YAML 1.0e-4",
        ),
        (
            f"{DEFAULT}, optimizer=dict(weight_decay='low')",
            "optim_wrapper.optimizer.weight_decay is 'low', a str, not a number",
            "set optim_wrapper.optimizer.weight_decay to a number",
        ),
        (
            f"{DEFAULT}, paramwise_cfg=dict(norm_decay_mult='0')",
            "optim_wrapper.paramwise_cfg.norm_decay_mult is '0', a str, not a number",
            "write 0 without quotes",
        ),
        (
            f"{DEFAULT}, paramwise_cfg=dict(custom_keys={{'backbone': 0.1}})",
            "optim_wrapper.paramwise_cfg.custom_keys['backbone'] is 0.1, a float, not a dict",
            "write dict(lr_mult=0.1)",
        ),
        (
            f"{DEFAULT}, paramwise_cfg=dict(custom_keys={{'backbone': dict(lr_mult='1E3')}})",
            "optim_wrapper.paramwise_cfg.custom_keys['backbone'].lr_mult is '1E3', a str, not a number",
            "write 1E3 without quotes, in YAML 1.0e+3",
        ),
        (
            f"{DEFAULT}, paramwise_cfg=dict(custom_keys=['backbone'])",
            "optim_wrapper.paramwise_cfg.custom_keys is ['backbone'], a list, not a dict",
            "write custom_keys={'backbone': dict(lr_mult=0.1)}",
        ),
    ],
)
def test_refused(tmp_path: Path, wrapper: str, problem: str, fix: str) -> None:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.py").write_text(f"_base_ = 'base.py'\noptim_wrapper = dict({wrapper})\n")
    with pytest.raises(LrdecayError) as error:
        audit(str(tmp_path / "config.py"))
    assert (error.value.problem, error.value.fix) == (problem, fix)


@pytest.mark.parametrize(
    ("backbone", "line"),
    [
        (
            "dict(out_indice=[3])",
            "config.py:2: model.backbone.out_indice is not an option of ConvNeXt; did you mean out_indices?",
        ),
        (
            "dict(_delete_=True, type='TIMMBackbone', model_name='resnet18', dept=3)",
            "config.py:2: model.backbone.dept is not an option of ResNet; remove it;"
            " if a base sets it, write backbone=dict(_delete_=True, type='TIMMBackbone', ...)",
        ),
        (
            "dict(type='ResNet', depth=18)",
            "base.py:4): model.backbone.arch is not an option of ResNet; remove it;"
            " if a base sets it, write backbone=dict(_delete_=True, type='ResNet', ...)",
        ),
    ],
)
def test_an_option_that_a_model_s_class_does_not_take(tmp_path: Path, backbone: str, line: str) -> None:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.py").write_text(f"_base_ = 'base.py'\nmodel = dict(backbone={backbone})\n")
    with pytest.raises(LrdecayError) as error:
        audit(str(tmp_path / "config.py"))
    assert error.value.line().endswith(f"/{line}")


def test_an_option_of_a_user_class_is_not_misplaced(tmp_path: Path) -> None:
    """Here ``num_layers`` belongs to the optimizer, and the problem is another one."""
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
