"""Group numbers that are not Python floats, and options that JSON has no literal for, through every command."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import torch

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.verification import disagreements
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.precision import EPSILON, rounded
from lrdecay_cli.files import read_map
from lrdecay_cli.files.writing import to_json
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.processes.outcomes import BuildOutcome
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.registry import BASE
from lrdecay_cli.rules.running import findings_of

# torchao 0.18 stores the lr of a group like this (torchao/optim/adam.py), in any precision.
PLUGIN = """\
import torch
from mmengine.registry import OPTIMIZERS

@OPTIMIZERS.register_module(force=True)
class TensorLr(torch.optim.AdamW):
    def __init__(self, params, dtype='float32', **kwargs):
        self.dtype = getattr(torch, dtype)
        super().__init__(params, **kwargs)

    def add_param_group(self, group):
        super().add_param_group(group)
        group['lr'] = torch.tensor(group['lr'], dtype=self.dtype)

@OPTIMIZERS.register_module(force=True)
class Limited(torch.optim.AdamW):
    def __init__(self, params, growth_rate=float('inf'), bounds=(float('-inf'), float('nan')), **kwargs):
        super().__init__(params, **kwargs)
        for group in self.param_groups:
            group.update(growth_rate=growth_rate, bounds=bounds)
"""
MMENGINE = "constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict(_delete_=True, custom_keys=dict("
SCALED = f"{MMENGINE}backbone=dict(lr_mult=0.1), head=dict(lr_mult=0.7, decay_mult=0.3)))"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "base.py").write_text(f"{BASE}custom_imports = dict(imports='group_numbers_plugin')\n")
    (tmp_path / "group_numbers_plugin.py").write_text(PLUGIN)

    def built(wrapper: str, further: str = "") -> GroupMap:
        config = tmp_path / "config.py"
        config.write_text(f"_base_ = 'base.py'\n{further}\noptim_wrapper = dict({wrapper})\n")
        return audit(str(config))

    return built


@pytest.fixture
def again(tmp_path: Path):
    """Write a map and read it again."""

    def read(group_map: GroupMap) -> GroupMap:
        path = tmp_path / "map.json"
        path.write_text(to_json(group_map))
        return read_map(str(path))

    return read


def codes(group_map: GroupMap) -> set[str]:
    return {finding.code for finding in findings_of(group_map, RULES)}


def loses_weight_decay(lr: float, precision: str, weight_decay: float = 0.05) -> bool:
    """Return True if torch's AdamW does not move a weight without a gradient, with a tensor lr of this precision."""
    weight = torch.nn.Parameter(torch.full((4,), 0.02, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    stored = torch.tensor(lr, dtype=getattr(torch, precision))
    torch.optim.AdamW([weight], lr=stored, weight_decay=weight_decay).step()
    return bool((weight.detach() == 0.02).all())


def test_half_precision_loses_the_weight_decay_of_any_optimizer(build) -> None:
    """As measured with AdamW itself; the table of effects has another result for a float lr."""
    assert loses_weight_decay(1e-4, "bfloat16")
    for lr in (1e-4, 1e-2):
        given = f"optimizer=dict(_delete_=True, type='AdamW', weight_decay=0.05, lr=torch.tensor({lr}, dtype=torch."
        for precision in EPSILON:
            found = build(f"{given}{precision})), {SCALED}", "import torch")
            faults = [finding for finding in findings_of(found, RULES) if finding.code == "LRD803"]
            assert bool(faults) == loses_weight_decay(lr, precision)
            assert all(f"set lr to a float: it is a {precision} tensor" in fault.fix for fault in faults)
            assert "LRD802" not in codes(found)


@pytest.mark.parametrize("precision", EPSILON)
def test_numbers_are_rounded_as_torch_rounds_them(precision: str) -> None:
    values = torch.logspace(-9, 4, 5000, dtype=torch.float64)
    values = torch.cat([values, -values, torch.tensor([0.0, 1e-320, 1e300, float("inf")], dtype=torch.float64)])
    expected = [torch.tensor(value, dtype=getattr(torch, precision)).item() for value in values.tolist()]
    assert [rounded(value, precision) for value in values.tolist()] == expected


@pytest.mark.parametrize("precision", EPSILON)
@pytest.mark.parametrize("constructor", ["", SCALED], ids=["layer decay", "custom keys"])
def test_a_tensor_lr_is_explained_and_compared_at_its_precision(build, again, precision: str, constructor: str) -> None:
    stored = build(f"optimizer=dict(type='TensorLr', dtype='{precision}'), {constructor}")
    plain = build(f"optimizer=dict(type='AdamW'), {constructor}")
    assert {group.precision("lr") for group in stored.groups} == {precision}
    lrs = [torch.tensor(group.lr, dtype=getattr(torch, precision)).item() for group in plain.groups]
    assert [group.lr for group in stored.groups] == lrs
    assert [group.lr_scale for group in stored.groups] == [group.lr_scale for group in plain.groups]
    assert list(disagreements(stored)) == []
    explained = Explainer(stored).explain(stored.tensors())
    exact = f"same numbers as in the real group, bit for bit, in {precision}"
    lost = "; TensorLr ignores the weight decay" if loses_weight_decay(1e-4, precision) else ""
    decays = {group.weight_decay for group in plain.groups}
    assert {(each.certainty, each.certainty_reason) for each in explained} == {
        ("recomputed", f"{exact}{lost if decay else ''}") for decay in decays
    }
    changes = list(diff(plain, stored))
    assert {change.aspect for change in changes} == {"optimizer", "options"}
    assert all(change.after == {"lr precision": precision} for change in changes if change.aspect == "options")
    assert list(diff(stored, again(stored))) == []
    # A really different number is reported.
    assert "lr" in {change.aspect for change in diff(stored, build("optimizer=dict(type='AdamW', lr=1.1e-4)"))}


@pytest.mark.parametrize(
    ("numbers", "precisions"),
    [
        (
            "lr=torch.tensor(1e-4), betas=(torch.tensor(0.9), torch.tensor(0.99)), capturable=True",
            {"lr": "float32", "betas": "float32"},
        ),
        ("lr=np.float32(1e-4), betas=(0.9, 0.99)", {"lr": "float32"}),
        ("lr=np.float64(1e-4), betas=(0.9, 0.99), eps=np.float16(1e-6)", {"eps": "float16"}),
        ("lr=np.array(1e-4, dtype=np.float32), betas=(0.9, 0.99)", {"lr": "float32"}),
        ("lr=torch.tensor(1e-4, dtype=torch.float64), betas=(0.9, 0.99)", {}),
    ],
    ids=["tensors", "float32", "float64", "array", "tensor of float64"],
)
def test_a_config_may_give_tensors_and_numpy_s_numbers(build, again, numbers: str, precisions: dict[str, str]) -> None:
    wrapper = "optimizer=dict(_delete_=True, type='Adam', weight_decay=0.05, {}), " + SCALED
    stored = build(wrapper.format(numbers), "import numpy as np\nimport torch")
    plain = build(wrapper.format("lr=1e-4, betas=(0.9, 0.99)"))
    assert {json.dumps(group.precisions or {}) for group in stored.groups} == {json.dumps(precisions)}
    assert list(disagreements(stored)) == []
    assert {finding.code for finding in findings_of(stored, RULES)} == {
        finding.code for finding in findings_of(plain, RULES)
    }
    assert {change.aspect for change in diff(plain, stored)} <= {"options"}
    assert list(diff(stored, again(stored))) == []


def test_rules_recognise_a_rounded_lr(build) -> None:
    """Above the base lr only by rounding (3e-4 is), and the scale that is recorded with it."""
    for lr, precision in (("3e-4", "float32"), ("1e-4", "float32"), ("3e-4", "bfloat16"), ("1e-4", "float16")):
        stored, plain = (
            codes(build(f"optimizer=dict(lr={lr}, {kind})"))
            for kind in (f"type='TensorLr', dtype='{precision}'", "type='AdamW'")
        )
        assert stored == plain | ({"LRD803"} if loses_weight_decay(float(lr), precision) else set())
    uniform = build(f"optimizer=dict(type='TensorLr', lr=3e-4), {MMENGINE}head=dict(lr_mult=1.0)))")
    assert not {"LRD209", "LRD304", "LRD305", "LRD309"} & codes(uniform)


def test_an_option_that_is_not_finite_is_written_and_read(build, again) -> None:
    wrapper = "optimizer=dict(type='Limited'), clip_grad=dict(max_norm=1.0, norm_type=float('inf'))"
    found = build(wrapper)
    options = found.groups[0].options
    assert (options["growth_rate"], options["bounds"]) == ("Infinity", ["-Infinity", "NaN"])
    assert found.training.optim_wrapper["clip_grad"]["norm_type"] == "Infinity"
    assert list(diff(found, again(found))) == []
    outcome = BuildOutcome("config.py", found)
    assert msgspec.json.decode(outcome.encoded(), type=BuildOutcome).group_map is not None
    changes = {
        json.dumps(change.after)
        for change in diff(found, build(wrapper.replace("'Limited'", "'Limited', growth_rate=2.0")))
    }
    assert changes == {'{"growth_rate": 2.0}'}


@pytest.mark.parametrize("key", ["lr", "weight_decay"])
def test_an_lr_or_weight_decay_that_is_not_finite_stays_an_error(build, key: str) -> None:
    found = build(f"optimizer=dict({key}=float('inf')), {MMENGINE}head=dict(lr_mult=0.5)))")
    with pytest.raises(LrdecayError, match="JSON cannot contain") as error:
        to_json(found)
    assert error.value.where == f"$.base_{key}"
    failure = msgspec.json.decode(BuildOutcome("config.py", found).encoded(), type=BuildOutcome).failure
    assert failure is not None
    assert f"$.base_{key} is inf" in failure.problem
