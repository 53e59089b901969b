"""Configs that build here but would fail in training are errors: a missing import, unknown options of AMP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from lrdecay_cli.constructors import constructor_of
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules.registry import BASE

OURS = "optim_wrapper = dict(constructor='LayerDecayOptimWrapperConstructor', paramwise_cfg=dict(decay_rate=0.7))"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "base.py").write_text(BASE)
    return tmp_path / "config.py"


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ("", "add custom_imports=dict(imports=['lrdecay_cli.training'])"),
        # A second assignment would replace the first.
        ("custom_imports = dict(imports='json')", "set custom_imports=dict(imports=['json', 'lrdecay_cli.training'])"),
    ],
)
def test_our_constructor_has_to_be_imported(
    given: str, fix: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "lrdecay_cli.training", raising=False)
    text = f"_base_ = 'base.py'\n{given}\n{OURS.replace('decay_rate', '_delete_=True, decay_rate')}\n"
    config.write_text(text)
    with pytest.raises(LrdecayError) as raised:
        audit(str(config))
    assert "LayerDecayOptimWrapperConstructor is not imported" in raised.value.line()
    assert raised.value.line().endswith(fix)


@pytest.mark.parametrize(
    ("option", "refused"),
    [
        ("dtype='float16'", False),
        ("loss_scale=512.0", False),
        ("accumulative_counts=4", False),
        ("accumulative_count=4", True),
    ],
)
def test_options_of_a_wrapper_that_needs_a_gpu(config: Path, option: str, refused: bool) -> None:
    config.write_text(f"_base_ = 'base.py'\noptim_wrapper = dict(type='AmpOptimWrapper', {option})\n")
    if not refused:
        assert audit(str(config)).optimizer.wrapper == "AmpOptimWrapper"
        return
    with pytest.raises(LrdecayError, match="accumulative_count"):
        audit(str(config))


def test_a_class_of_the_same_name_is_another_constructor(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mmpose registers a class with the name of lrdecay's constructor in mmengine's own registry, and replaces it."""
    registered = OPTIM_WRAPPER_CONSTRUCTORS.module_dict
    monkeypatch.setitem(registered, "LayerDecayOptimWrapperConstructor", HalvingConstructor)
    monkeypatch.delitem(sys.modules, "lrdecay_cli.training", raising=False)
    options = OURS.replace("decay_rate", "_delete_=True, layer_decay_rate")
    config.write_text(f"_base_ = 'base.py'\n{options}\n")
    group_map = audit(str(config))
    assert group_map.constructor.module == __name__
    assert {group.lr_scale for group in group_map.groups} == {0.5}
    assert not constructor_of(group_map).known


class HalvingConstructor(DefaultOptimWrapperConstructor):  # type: ignore[misc]
    """A constructor with its own options."""

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **kwargs: Any) -> None:
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        params.append({"params": trained, "lr": self.base_lr * 0.5})
