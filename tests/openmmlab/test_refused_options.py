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
