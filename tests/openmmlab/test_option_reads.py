"""Options that a constructor reads, for constructors of mmdet, mmengine, mmpretrain and an own one."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper, build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from lrdecay_cli.openmmlab.option_reads import OptionReads

DEFAULT = "DefaultOptimWrapperConstructor"
MMDET = "mmdet.LearningRateDecayOptimizerConstructor"


class Spelling(DefaultOptimWrapperConstructor):
    """Reads an option with each method of a dict or a ConfigDict; the option is named after the method."""

    def __call__(self, model: nn.Module) -> OptimWrapper:
        options: Any = self.paramwise_cfg
        options["item"], options.get("get"), options.attribute
        assert "contains" in options
        assert "not_contained" not in options
        assert options.get("not_got") is options.pop("not_popped", None) is getattr(options, "no_attribute", None)
        copy.copy(options).nested.setdefault("not_set", None)
        dict(**copy.deepcopy(options).nested)
        copy.copy(options).pop("popped")
        assert copy.copy(options).setdefault("set", 0) == 8
        assert list(options.listed.values()) == [9]
        # Logging options or sending them to another process is not a use.
        assert type(pickle.loads(pickle.dumps(options))) is dict
        assert str(options).startswith("{")
        return OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))


class ConvNeXt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm0 = nn.LayerNorm(2)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = ConvNeXt()


def reads_of(constructor: Any, options: dict[str, Any]) -> OptionReads:
    reads = OptionReads()
    with reads.unseen_validation():
        build_optim_wrapper(
            Model(),
            ConfigDict(
                type="OptimWrapper",
                optimizer=dict(type="SGD", lr=0.1, weight_decay=0.1),
                constructor=constructor,
                paramwise_cfg=reads.watched(ConfigDict(options)),
            ),
        )
    return reads


@pytest.mark.parametrize(
    ("constructor", "options", "read"),
    [
        (MMDET, dict(num_layers=6, decay_rate=0.5), ("num_layers", "decay_rate")),
        # mmengine's validation, which every constructor inherits, reads it, but nothing uses it.
        (MMDET, dict(norm_decay_mult=0, num_layers=6, decay_rate=1, custom_keys={}), ("num_layers", "decay_rate")),
        (DEFAULT, dict(norm_decay_mult=0.0, decay_rate=0.5), ("norm_decay_mult",)),
        (
            DEFAULT,
            dict(custom_keys={"norm": dict(lr_mult=0.1), "head": dict(lr_mult=2)}),
            ("custom_keys", "custom_keys.norm", "custom_keys.norm.lr_mult"),
        ),
        (
            DEFAULT,
            dict(custom_keys={"norm": dict(decay_multi=0)}),
            ("custom_keys", "custom_keys.norm", "custom_keys.norm.decay_multi"),
        ),
    ],
)
def test_reads(constructor: str, options: dict[str, Any], read: tuple[str, ...]) -> None:
    import mmdet.engine  # noqa: F401

    assert reads_of(constructor, options).paths == read


def test_every_method_of_reading() -> None:
    options = dict(item=1, get=2, attribute=3, contains=4, nested=dict(inner=5), popped=6, untouched=7)
    options |= dict(set=8, listed=dict(value=9))
    with_spelling = OPTIM_WRAPPER_CONSTRUCTORS.module_dict.copy()
    OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=Spelling)
    try:
        reads = reads_of("Spelling", options)
    finally:
        OPTIM_WRAPPER_CONSTRUCTORS._module_dict = with_spelling
    assert reads.paths == (
        *("item", "get", "attribute", "contains", "nested", "nested.inner", "popped"),
        *("set", "listed", "listed.value"),
    )
    assert reads.asked == ("not_contained", "not_got", "not_popped", "no_attribute", "nested.not_set")


def test_names_that_mmengine_asks_for_in_vain() -> None:
    asked = reads_of(DEFAULT, dict(norm_decay_mult=0.0, custom_keys={"norm": dict(decay_multi=0)})).asked
    assert {"bias_lr_mult", "flat_decay_mult", "bypass_duplicate", "custom_keys.norm.decay_mult"} <= {*asked}
    assert "norm_decay_mult" not in asked
    # Only mmengine's validation reads it, which every constructor inherits.
    assert reads_of(MMDET, dict(num_layers=6, decay_rate=1)).asked == ("decay_type",)
