"""Modules and training settings in a map, compared with torch's own modules and with special configs."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import LOOPS, DefaultScope, Registry
from torch import nn

from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.config_facts import loops_of, training_of
from lrdecay_cli.openmmlab.model_modules import modules_of

BASE = """
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1), paramwise_cfg=dict(norm_decay_mult=0, custom_keys={'a': dict(lr_mult=2)}))
"""


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.Sequential(
            nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.InstanceNorm2d(4, affine=True)
        )
        self.depthwise = nn.Conv2d(4, 8, 3, groups=4)
        self.again = self.depthwise
        self.pooling = nn.MaxPool2d(2)
        self.token = nn.Parameter(nn.Linear(2, 2).weight.detach())


def test_modules_in_the_order_of_the_model() -> None:
    model = Tied()
    modules = modules_of(model)
    names = [f"{path}.{name}".lstrip(".") for path, module in modules.items() for name in module.parameters]
    assert names == [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert {path: module.traits for path, module in modules.items() if path.startswith("norms")} == {
        f"norms.{index}": ("norm",) for index in range(4)
    }
    assert modules["depthwise"] == modules["again"]
    assert modules["depthwise"].traits == ("depthwise", "conv2d")
    assert modules[""].type == "Tied"


def test_deformable_convolution_and_its_offsets() -> None:
    from mmcv.ops import ModulatedDeformConv2dPack

    traits = {
        path: module.traits for path, module in modules_of(nn.Sequential(ModulatedDeformConv2dPack(4, 4, 3))).items()
    }
    assert traits == {"0": ("deformable",), "0.conv_offset": ("conv2d", "offset")}


@pytest.mark.parametrize(
    ("own", "inherited"),
    [
        pytest.param(
            "", ("norm_decay_mult", "custom_keys", "custom_keys.a", "custom_keys.a.lr_mult"), id="nothing of its own"
        ),
        pytest.param(
            "dict(paramwise_cfg=dict(norm_decay_mult=1))",
            ("custom_keys", "custom_keys.a", "custom_keys.a.lr_mult"),
            id="an option of its own",
        ),
        pytest.param(
            "{'paramwise_cfg': {'custom_keys': {'b': {'lr_mult': 3}}}}",
            ("norm_decay_mult", "custom_keys.a"),
            id="another key",
        ),
        pytest.param(
            "{'paramwise_cfg': {'custom_keys': {'.b': {'lr_mult': 3}}}}",
            ("norm_decay_mult", "custom_keys.a"),
            id="another key with a dot",
        ),
    ],
)
def test_inherited_options(tmp_path: Path, own: str, inherited: tuple[str, ...]) -> None:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.py").write_text(f"_base_ = 'base.py'\noptim_wrapper = {own or 'dict()'}\n")
    assert training_of(Config.fromfile(str(tmp_path / "config.py")), None).inherited == inherited


@pytest.mark.parametrize(
    ("own", "inherited"),
    [
        pytest.param(
            "{}", ("norm_decay_mult", "custom_keys", "custom_keys.a", "custom_keys.a.lr_mult"), id="nothing of its own"
        ),
        pytest.param(
            '{"paramwise_cfg": {"custom_keys": {"b": {"lr_mult": 3}}}}',
            ("norm_decay_mult", "custom_keys.a"),
            id="another key",
        ),
        pytest.param(
            '{"lists": [[{"norm_decay_mult": 1}], 3]}',
            ("custom_keys", "custom_keys.a", "custom_keys.a.lr_mult"),
            id="a name within lists",
        ),
    ],
)
def test_inherited_options_of_a_config_in_json(tmp_path: Path, own: str, inherited: tuple[str, ...]) -> None:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.json").write_text(f'{{"_base_": "base.py", "optim_wrapper": {own}}}')
    assert training_of(Config.fromfile(str(tmp_path / "config.json")), None).inherited == inherited


def test_misplaced_settings(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(
        "paramwise_cfg = dict(norm_decay_mult=0)\n"
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, paramwise_cfg=dict(bias_lr_mult=2)))\n"
        "param_scheduler = dict(type='ConstantLR')\n"
        "param_schedulers = [dict(type='LinearLR')]\n"
        "val_cfg = test_cfg = optim = scheduler = train = None\n"
    )
    training = training_of(Config.fromfile(str(tmp_path / "config.py")), None)
    assert training.misplaced == {
        "param_schedulers": [{"type": "LinearLR"}],
        "paramwise_cfg": {"norm_decay_mult": 0},
        "optim_wrapper.optimizer.paramwise_cfg": {"bias_lr_mult": 2},
    }
    assert training.param_scheduler == ({"type": "ConstantLR"},)


@pytest.mark.parametrize(
    ("base", "own", "misplaced"),
    [
        pytest.param(
            "custom_keys = {'a': dict(lr_mult=2)}\nwrapper = dict(paramwise_cfg=dict(custom_keys=custom_keys))\n",
            "",
            False,
            id="used by the base",
        ),
        pytest.param(
            "custom_keys = {'a': dict(lr_mult=2)}\n",
            "wrapper = dict(paramwise_cfg=_base_.custom_keys)\n",
            False,
            id="used by the child",
        ),
        pytest.param(
            "custom_keys = {'a': dict(lr_mult=2)}\n",
            "wrapper = dict(paramwise_cfg=dict(custom_keys=dict()))\n",
            True,
            id="used by nothing",
        ),
        pytest.param(
            "custom_keys = {'a': dict(lr_mult=2)}\nwrapper = custom_keys\n",
            "custom_keys = {}\n",
            True,
            id="set last and used by nothing",
        ),
    ],
)
def test_variables_of_a_base_are_not_misplaced(base: str, own: str, misplaced: bool, tmp_path: Path) -> None:
    (tmp_path / "deep.py").write_text(base)
    (tmp_path / "base.py").write_text("_base_ = 'deep.py'\noptim_wrapper = dict(paramwise_cfg=dict())\n")
    (tmp_path / "config.py").write_text(f"_base_ = 'base.py'\n{own}")
    training = training_of(Config.fromfile(str(tmp_path / "config.py")), None)
    assert ("custom_keys" in training.misplaced) == misplaced


@pytest.mark.parametrize("used", [True, False])
def test_variables_of_a_lazy_base(used: bool, tmp_path: Path) -> None:
    keys = "custom_keys" if used else "dict()"
    (tmp_path / "base.py").write_text(
        f"custom_keys = dict(a=dict(lr_mult=2))\noptim_wrapper = dict(paramwise_cfg=dict(custom_keys={keys}))\n"
    )
    (tmp_path / "config.py").write_text(
        "from mmengine.config import read_base\n"
        "with read_base():\n    from .base import *\n"
        "optim_wrapper.update(paramwise_cfg=dict(norm_decay_mult=0))\n"
    )
    config = Config.fromfile(str(tmp_path / "config.py"))
    assert "custom_keys" in config
    assert ("custom_keys" in training_of(config, None).misplaced) != used


def test_the_zoo_s_own_variable_under_a_child_that_changes_a_key(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(
        "_base_ = 'mmdet::mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco.py'\n"
        "optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.05))))\n"
    )
    config = Config.fromfile(str(tmp_path / "config.py"))
    assert "custom_keys" in config
    assert training_of(config, None).misplaced == {}


def test_a_loop_counts_as_mmengines_where_its_scope_cannot_look_loops_up() -> None:
    """The wheel of mmselfsup 1.0.0 lacks the module that its registry of loops imports."""
    scope = "scope_without_loops"
    Registry("loop", parent=LOOPS, scope=scope, locations=[f"{__name__}.no_such_module"])
    try:
        config = Config({"default_scope": scope, "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 2}})
        with DefaultScope.overwrite_default_scope(scope), pytest.raises(ImportError):
            LOOPS.build({"type": "EpochBasedTrainLoop"})
        loop = loops_of(config)["train_cfg"]
        assert (loop.type, loop.needs) == ("EpochBasedTrainLoop", ("max_epochs",))
    finally:
        del LOOPS.children[scope]


def test_an_imported_class_is_not_a_misspelt_setting() -> None:
    """A lazy config contains what it imports: OptimWrapper resembles optim_wrapper."""
    assert audit("sample_configs/vit_lazy-style.py", device="meta").training.misplaced == {}
