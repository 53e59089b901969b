"""Facts of the specs, compared with the real constructors of mmengine, mmdet, mmpretrain and lrdecay."""

from __future__ import annotations

import inspect
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

import tests.openmmlab.plain  # noqa: F401  (silences mmengine's log)
from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.selection import select
from lrdecay_cli.constructors import CONSTRUCTORS, OURS, ConstructorSpec, constructor_of
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.option_reads import OptionReads
from lrdecay_cli.rules.registry import BASE
from tests.constructors.names import MMDET_LAYER_DECAY
from tests.openmmlab.constructing import OPTIMIZER, Reporting

# Constructors of the sibling packages are compared with recorded groups: tests/family.
INSTALLED = [spec for spec in CONSTRUCTORS if spec.package in ("mmengine", "mmdet", "mmpretrain", "lrdecay_cli")]
ALL = pytest.mark.parametrize("spec", INSTALLED, ids=[spec.project for spec in INSTALLED])
RATE = {"decay_rate": 0.5, "layer_decay_rate": 0.5, "num_layers": 6}


class ConvNeXtLike(Reporting):
    """A backbone that every constructor supports."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.ModuleList([nn.Linear(2, 2)]) for _ in range(4))
        self.downsample_layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(4))
        self.pos_embed = nn.Parameter(torch.ones(1, 2, 2))


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = ConvNeXtLike()
        self.head = nn.Linear(2, 2)
        self.pos_embed = nn.Parameter(torch.ones(1, 2, 2))
        self.cls_token = nn.Parameter(torch.ones(1, 2, 2))

    def get_layer_depth(self, param_name: str) -> tuple[int, int]:
        return self.backbone.get_layer_depth(param_name, "backbone.")


def class_of(spec: ConstructorSpec) -> Any:
    """Return the real class; skip the test if its project is not installed."""
    if spec.scope:
        pytest.importorskip(f"{spec.scope}.engine")
    return OPTIM_WRAPPER_CONSTRUCTORS.get(spec.scoped_name)


def options_of(spec: ConstructorSpec, **further: Any) -> dict[str, Any]:
    return {**{option: value for option, value in RATE.items() if option in spec.options}, **further}


def numbers_of(spec: ConstructorSpec, paramwise_cfg: dict[str, Any] | None) -> dict[str, Any]:
    """Return lr and weight decay by parameter name."""
    model = Classifier()
    made = class_of(spec)({"type": "OptimWrapper", "optimizer": dict(OPTIMIZER)}, paramwise_cfg)(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(tensor)]: (group["lr"], group["weight_decay"])
        for group in made.optimizer.param_groups
        for tensor in group["params"]
    }


@ALL
def test_a_config_finds_it_by_its_scoped_name(spec: ConstructorSpec) -> None:
    assert class_of(spec).__name__ == spec.name
    assert class_of(spec).__module__.partition(".")[0] == spec.package
    for module in spec.imports:
        assert getattr(import_module(module), spec.name) is class_of(spec)


@ALL
def test_options(spec: ConstructorSpec) -> None:
    """The spec lists the options that the constructor reads while it builds the groups."""
    reads = OptionReads()
    options = options_of(spec, custom_keys={"head": {}})
    with reads.unseen_validation():
        numbers_of(spec, reads.watched(options))
    asked = {path for path in (*reads.paths, *reads.asked) if "." not in path}
    if spec is OURS:  # which copies the options before it reads them
        asked &= {*spec.options}
    assert asked <= {*spec.options}
    assert spec is OURS or asked == {*spec.options}
    assert ("custom_keys" in asked) == (spec.custom_keys is not None)
    assert spec.never_reads("custom_keys") == (spec.custom_keys is None)


@ALL
def test_without_options(spec: ConstructorSpec) -> None:
    if spec.requires_options:
        with pytest.raises(LrdecayError, match="decay_rate"):
            numbers_of(spec, None)
    else:
        numbers = numbers_of(spec, None)
        assert {*numbers.values()} == {(OPTIMIZER["lr"], OPTIMIZER["weight_decay"])}


@ALL
def test_decay(spec: ConstructorSpec) -> None:
    """Blocks are slower than the head if the lr depends on layers; otherwise they are not."""
    numbers = numbers_of(spec, options_of(spec) or {"norm_decay_mult": 0.0})
    slower = numbers["backbone.stages.0.0.weight"][0] < numbers["head.weight"][0]
    assert slower == (spec.lr_from == "layers") == spec.decays_layers
    assert spec.decays_layers == (spec.rate_option is not None)


@pytest.mark.parametrize("spec", [spec for spec in INSTALLED if spec.rate_option], ids=lambda spec: spec.project)
def test_a_rate_that_is_not_given(spec: ConstructorSpec) -> None:
    assert spec.rate_option is not None
    options = options_of(spec, custom_keys={"head": {"decay_mult": 1}})
    del options[spec.rate_option]
    if spec.default_rate is None:
        with pytest.raises((TypeError, LrdecayError), match=f"NoneType|{spec.rate_option}"):
            numbers_of(spec, options)
    else:
        numbers = numbers_of(spec, options)
        assert {lr for lr, _ in numbers.values()} == {OPTIMIZER["lr"] * spec.default_rate}


@ALL
def test_custom_keys(spec: ConstructorSpec) -> None:
    """The spec lists the numbers that a key changes."""
    plain = options_of(spec, custom_keys={"nowhere": {}} if spec is not OURS else {"head": {"lr_mult": 1}})
    keyed = options_of(spec, custom_keys={"head": {"lr_mult": 0.5, "decay_mult": 0.5}})
    before, after = numbers_of(spec, plain), numbers_of(spec, keyed)
    pairs = zip(("lr", "weight_decay"), before["head.weight"], after["head.weight"], strict=True)
    changed = [name for name, then, now in pairs if now != then]
    assert changed == [*(spec.custom_keys.targets if spec.custom_keys else ())]
    assert spec.keys_set_lr == ("lr" in changed)


@pytest.mark.parametrize("spec", [spec for spec in INSTALLED if spec.multipliers], ids=lambda spec: spec.project)
def test_custom_keys_without_a_weight_decay(spec: ConstructorSpec) -> None:
    """Test whether the constructor applies keys at all if there is no weight decay to multiply."""
    options, model = options_of(spec, custom_keys={"head": {"weight_decay": 0.5}}), Classifier()
    made = class_of(spec)({"type": "OptimWrapper", "optimizer": {"type": "AdamW", "lr": 1e-3}}, options)
    groups: list[dict[str, Any]] = []
    with suppress(KeyError):  # mmpretrain's constructor raises when it logs the missing weight decay of its groups
        made.add_params(groups, model)
    (head,) = [group for group in groups if group["params"][0] is model.head.weight]
    assert spec.custom_keys is not None
    assert ("weight_decay" in head) != spec.custom_keys.need_weight_decay


@ALL
def test_names_that_are_exempt(spec: ConstructorSpec) -> None:
    """Keys are compared with full names: that of the model's own parameter, which is not in the backbone."""
    numbers = numbers_of(spec, options_of(spec, bias_decay_mult=1.0) if spec is not OURS else options_of(spec))
    for name in ("pos_embed", "cls_token"):
        assert (numbers[name][1] == 0) == (name in spec.exempt_names or spec is OURS)
    assert (numbers["backbone.pos_embed"][1] == 0) == (spec is OURS)


@ALL
def test_names_that_are_not_known(spec: ConstructorSpec) -> None:
    """A parameter of the backbone that no rule matches gets the lr of the head."""
    numbers = numbers_of(spec, options_of(spec) or {"norm_decay_mult": 0.0})
    same = numbers["backbone.norm.weight"][0] == numbers["head.weight"][0]
    assert not spec.rest_is_head or same


@pytest.mark.parametrize(("change", "copy_of"), [(1, "mmdet layer decay"), (2, "")], ids=["copied", "changed"])
def test_a_copy_in_a_module_of_ones_own(
    change: int, copy_of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules of the original explain it if it builds the same numbers; otherwise it is only observed."""
    name, module = f"Own{MMDET_LAYER_DECAY}{change}", f"own_decay_{change}"
    source = inspect.getsource(import_module("mmdet.engine.optimizers.layer_decay_optimizer_constructor"))
    source = source.replace(f"class {MMDET_LAYER_DECAY}", f"class {name}")
    (tmp_path / f"{module}.py").write_text(source.replace("scale * self.base_lr", f"scale * self.base_lr * {change}"))
    config = tmp_path / "config.py"
    config.write_text(
        f"{BASE}custom_imports = dict(imports={module!r})\noptim_wrapper.update(constructor='mmdet.{name}')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    built = audit(str(config))
    assert (built.constructor.module, built.constructor.copy_of) == (module, copy_of)
    spec, explained = constructor_of(built), Explainer(built).explain(select(built, "backbone.stages.2.*"))
    assert (spec.known, spec.name) == (bool(copy_of), name)
    assert {each.certainty for each in explained} == {"recomputed" if copy_of else "observed"}
