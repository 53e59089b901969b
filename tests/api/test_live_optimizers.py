"""Test ``audit_optimizer`` with real PyTorch optimizers, without a config and without OpenMMLab."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, OneCycleLR, SequentialLR
from torch.optim.swa_utils import SWALR, AveragedModel

import lrdecay_cli
from lrdecay_cli.files import read_map
from lrdecay_cli.openmmlab.live_arguments import optimizers_of
from lrdecay_cli.processes.children import in_children
from tests.commands.running import lrdecay_here

# The first use of an optimizer imports torch's compiler, which takes four seconds.
for method in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
    plain = getattr(torch.optim.Optimizer, method).__wrapped__
    plain.__dict__.setdefault("__dynamo_disable", plain)


class Toy(nn.Module):
    """A backbone, a head that shares a tensor, and a frozen stem."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.stem.requires_grad_(False)
        self.backbone = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, 4)
        self.tied = self.head


def groups_of(model: Toy) -> list[dict[str, Any]]:
    return [
        {"params": model.backbone.parameters(), "lr": 1e-3, "name": "backbone", "layer_id": 1},
        {"params": model.head.parameters(), "weight_decay": 0.0},
    ]


def codes(found: lrdecay_cli.GroupMap) -> set[str]:
    return {finding.code for finding in lrdecay_cli.check(found).findings}


def test_every_parameter_is_accounted_for() -> None:
    model = Toy()
    found = lrdecay_cli.audit_optimizer(model, torch.optim.SGD(groups_of(model), lr=0.01, momentum=0.9))
    assert {tensor.name: tensor.state for tensor in found.tensors()} == {
        "backbone.0.weight": "grouped",
        "backbone.0.bias": "grouped",
        "backbone.1.weight": "grouped",
        "backbone.1.bias": "grouped",
        "head.weight": "grouped",
        "head.bias": "grouped",
        "stem.weight": "frozen",
        "stem.bias": "frozen",
        "tied.weight": "duplicate",
        "tied.bias": "duplicate",
    }
    backbone, head = found.groups
    assert (backbone.name, backbone.lr, backbone.lr_scale, backbone.layer_id) == ("backbone", 1e-3, 0.1, 1)
    assert (head.name, head.lr, head.weight_decay, head.options["momentum"]) == ("group_1", 0.01, 0.0, 0.9)
    assert (found.base_lr, found.base_weight_decay) == (0.01, 0.0)
    assert found["backbone.1.weight"].traits == ("norm",)
    assert found.stack["torch"] == torch.__version__
    # Unknown facts stay empty.
    assert (found.config.path, found.constructor.type, found.training.optim_wrapper) == ("Toy", "unknown", {})
    assert found.optimizer.effects[""].lr == "followed"
    assert not codes(found) & {"LRD101", "LRD105", "LRD106"}


class OptimizedModule(nn.Module):
    """Wrap a model as torch.compile does: importing the compiler takes four seconds."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._orig_mod = model


def test_torch_compile_wraps_a_model_so() -> None:
    source = (Path(torch.__file__).parent / "_dynamo" / "eval_frame.py").read_text(encoding="utf-8")
    assert "class OptimizedModule(torch.nn.Module):" in source
    assert "self._orig_mod = mod" in source


def test_names_are_those_of_the_model_in_its_wrappers() -> None:
    model = Toy()
    optimizer = torch.optim.AdamW(groups_of(model), lr=0.01)
    plain = lrdecay_cli.audit_optimizer(model, optimizer)
    compiled = OptimizedModule(model)
    # The constructor of DDP requires a process group, and imports the compiler.
    parallel = DistributedDataParallel.__new__(DistributedDataParallel)
    nn.Module.__init__(parallel)
    parallel.module = model
    for outer in (
        parallel,
        compiled,
        DataParallel(model),
        DataParallel(compiled),
        OptimizedModule(DataParallel(model)),
    ):
        assert lrdecay_cli.audit_optimizer(outer, optimizer) == plain
    model.backbone = OptimizedModule(model.backbone)  # type: ignore[assignment]
    within = lrdecay_cli.audit_optimizer(model, optimizer)
    assert (within.groups, list(within.modules)) == (plain.groups, list(plain.modules))


def test_mistakes_of_programs_are_found() -> None:
    model = Toy()
    head = torch.optim.AdamW(model.head.parameters(), lr=1e-3)
    found = lrdecay_cli.audit_optimizer(model, head)
    assert len(found.missing) == 4
    assert codes(found) >= {"LRD101"}
    # The layer is replaced after the optimizer was built.
    model.head = model.tied = nn.Linear(4, 2)
    assert codes(lrdecay_cli.audit_optimizer(model, head)) >= {"LRD101", "LRD106"}
    # Parameters are frozen and unfrozen after the optimizer was built.
    model = Toy()
    every = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-3)
    model.backbone.requires_grad_(False)
    model.stem.requires_grad_(True)
    late = lrdecay_cli.audit_optimizer(model, every)
    assert (late["backbone.0.weight"].state, late["stem.weight"].state) == ("frozen_in_group", "missing")
    assert codes(late) >= {"LRD101", "LRD103"}
    # In two optimizers, and twice in one group.
    both = {"a": torch.optim.SGD(model.parameters(), lr=0.1), "b": torch.optim.SGD(model.head.parameters(), lr=0.1)}
    group_map = lrdecay_cli.audit_optimizer(model, both)
    assert [group.name for group in group_map.groups] == ["a.group_0", "b.group_0"]
    assert group_map["head.weight"].times == 2
    assert codes(group_map) >= {"LRD102"}
    for finding in lrdecay_cli.check(group_map).findings:
        assert "paramwise_cfg" not in f"{finding.message} {finding.option} {finding.fix}"
        assert "constructor" not in f"{finding.message} {finding.fix}"


class Encoder(nn.Module):
    """Numbered layers below names of other libraries, and heads in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Linear(4, 4)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(nn.Linear(4, 4) for _ in range(5))})
        self.heads = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))


@pytest.mark.parametrize(
    ("lrs", "heads", "message"),
    [
        pytest.param([1, 2, 4, 8, 16], [32, 32, 32], "", id="right"),
        pytest.param([1, 2, 4, 8, 16], [32, 16, 64], "", id="heads in a list"),
        pytest.param([1, 1, 1, 1, 1], [1, 1, 1], "", id="one lr"),
        pytest.param(
            [16, 8, 4, 2, 1],
            [32, 32, 32],
            "the lr falls from 1.6e-05 in encoder.layer.0 to 1e-06 in encoder.layer.4: deeper blocks train slower",
            id="counted from the head",
        ),
        pytest.param(
            [1, 2, 32, 8, 16],
            [32, 32, 32],
            "1 block of encoder.layer.# breaks the order of lrs: it has lr 3.2e-05, but the other blocks have 1e-06 to"
            " 1.6e-05",
            id="one layer left out",
        ),
    ],
)
def test_the_order_of_lrs_without_a_backbone(lrs: list[int], heads: list[int], message: str) -> None:
    model = Encoder()
    layers = zip([model.embeddings, *model.encoder["layer"], *model.heads], [1, *lrs, *heads], strict=True)
    groups = [{"params": layer.parameters(), "lr": lr * 1e-6, "weight_decay": 0.0} for layer, lr in layers]
    found = lrdecay_cli.audit_optimizer(model, torch.optim.SGD(groups, lr=0.1))
    assert [f.message for f in lrdecay_cli.check(found).findings if f.code == "LRD205"] == [message][: bool(message)]


def test_a_sharded_model_keeps_the_name_of_its_class() -> None:
    """The name is part of the path of a baseline."""
    model = Toy()
    # As fully_shard of torch 2.13 does it, which needs a process group.
    model.__class__ = type("FSDPToy", (FSDPModule, Toy), {})
    found = lrdecay_cli.audit_optimizer(model, torch.optim.SGD(groups_of(model), lr=0.1))
    assert (found.config.path, found.model.type) == ("Toy", "Toy")


def test_a_moving_average_need_not_be_in_a_group() -> None:
    """A module inside a Lightning module: its parameters require gradients."""
    model = Toy()
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.1)
    model.ema = AveragedModel(model.backbone)
    found = lrdecay_cli.audit_optimizer(model, optimizer)
    assert found["ema.module.0.weight"].averaged
    assert "LRD101" not in codes(found)


def test_lr_scale_counts_once() -> None:
    """timm's scheduler multiplies by ``lr_scale``: if the lrs are already multiplied, they become too low."""
    from timm.scheduler import CosineLRScheduler

    model = Toy()

    def optimizer_with(**more: float) -> torch.optim.Optimizer:
        backbone = {"params": model.backbone.parameters(), "lr_scale": 0.1, **more}
        return torch.optim.SGD([backbone, {"params": model.head.parameters()}], lr=0.01)

    once = optimizer_with()
    before = lrdecay_cli.audit_optimizer(model, once)
    assert [group.lr for group in before.groups] == [0.01, 0.01]
    assert "LRD305" in codes(before)
    # Before the optimizer's first step, its scheduler has set the lr of the warm-up.
    scheduler = CosineLRScheduler(once, t_initial=4, warmup_t=2, warmup_lr_init=1e-5)
    after = lrdecay_cli.audit_optimizer(model, once, schedulers=scheduler)
    assert [group.lr for group in after.groups] == pytest.approx([0.001, 0.01])
    assert not codes(after) & {"LRD304", "LRD305"}
    twice = optimizer_with(lr=0.001)
    scheduler = CosineLRScheduler(twice, t_initial=4)
    assert "LRD304" in codes(lrdecay_cli.audit_optimizer(model, twice, schedulers=scheduler))


def test_parameters_without_a_shape_yet() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2))
    found = lrdecay_cli.audit_optimizer(model, torch.optim.AdamW(model.parameters(), lr=1e-3))
    assert found["0.weight"].numel == 0
    assert "LRD105" not in codes(found)


class Odd(torch.optim.Optimizer):
    """An optimizer class without a row in the table of measurements."""

    def __init__(self, params: Any, step_size: float = 0.1) -> None:
        super().__init__(params, {"step_size": step_size})

    def step(self, closure: Any = None) -> None:
        raise AssertionError("it is not stepped")


@pytest.mark.filterwarnings("ignore")
def test_an_optimizer_without_an_lr() -> None:
    model = Toy()
    found = lrdecay_cli.audit_optimizer(model, Odd(model.parameters()), name="my run")
    assert (found.groups[0].lr, found.base_lr, found.config.path) == (None, None, "my run")
    assert "group_0" in str(found)
    assert lrdecay_cli.check(found).failing() == ()


def test_groups_that_cannot_be_read_are_one_line() -> None:
    model = Toy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for wrong in ("fast", torch.ones(3), object()):
        optimizer.param_groups[0]["lr"] = wrong
        with pytest.raises(lrdecay_cli.LrdecayError, match=r"^audit_optimizer: the groups cannot be read: [^\n]+$"):
            lrdecay_cli.audit_optimizer(model, optimizer)
    # An object with ``param_groups`` is enough.
    bare = SimpleNamespace(param_groups=[{"params": [*model.parameters()], "lr": 0.1}])
    assert lrdecay_cli.audit_optimizer(model, bare).groups[0].lr == 0.1


def test_limits_of_mmengine_are_no_findings_of_programs() -> None:
    """mmengine calls step() without a closure: LBFGS is an error in a config, but not in a program."""
    model = nn.Linear(2, 2)
    found = lrdecay_cli.audit_optimizer(model, torch.optim.LBFGS(model.parameters(), lr=0.1))
    assert found.optimizer.effects[""].refusal("a closure")
    assert lrdecay_cli.check(found).findings == ()


def test_lrs_are_those_before_the_schedule() -> None:
    model = Toy()
    optimizer = torch.optim.SGD(groups_of(model), lr=0.01)
    before = lrdecay_cli.audit_optimizer(model, optimizer)
    scheduler = CosineAnnealingLR(optimizer, 4)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] < 1e-3
    after = lrdecay_cli.audit_optimizer(model, optimizer, schedulers=scheduler)
    assert after.groups == before.groups
    assert after.live
    (known,) = after.live.schedulers
    assert (known.type, known.minimum) == ("torch.optim.lr_scheduler.CosineAnnealingLR", 0)


def test_the_base_lr_is_known_where_a_group_trains_at_it() -> None:
    model = Toy()
    groups = [{"params": model.backbone.parameters(), "lr": 1e-4}, {"params": model.head.parameters(), "lr": 1e-3}]
    found = lrdecay_cli.audit_optimizer(model, torch.optim.SGD(groups, lr=7.0))
    assert (found.base_lr, found.groups[0].lr_scale) == (None, None)
    given = lrdecay_cli.audit_optimizer(model, torch.optim.SGD(groups, lr=7.0), base_lr=1e-3)
    assert [group.lr_scale for group in given.groups] == [0.1, 1.0]


class Holder:
    """Wrappers that Lightning and accelerate put around an optimizer."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.param_groups = optimizer.param_groups


class Wrapped:
    """As accelerate's AcceleratedScheduler."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler, self.optimizers = scheduler, [scheduler.optimizer]

    def step(self) -> None:
        raise AssertionError("it is not stepped")


def test_optimizers_in_every_form() -> None:
    model = Toy()
    one, two = torch.optim.SGD(model.backbone.parameters(), lr=0.1), torch.optim.SGD(model.head.parameters(), lr=0.2)
    scheduler = OneCycleLR(one, max_lr=0.1, total_steps=5)
    config = {"optimizer": one, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
    plain = {"optimizer": one, "lr_scheduler": scheduler}
    chained = SequentialLR(one, [CosineAnnealingLR(one, 4, eta_min=0.01), CosineAnnealingLR(one, 4)], [2])
    forms: list[tuple[Any, dict[str, Any], list[Any]]] = [
        (one, {"": one}, []),
        ([one], {"": one}, []),
        (Holder(one), {"": one}, []),
        (Holder(Holder(one)), {"": one}, []),  # type: ignore[arg-type]
        ([one, two], {"optimizer_0": one, "optimizer_1": two}, []),
        ({"generator": one, "critic": two}, {"generator": one, "critic": two}, []),
        (config, {"": one}, [(scheduler, "step")]),
        (plain, {"": one}, [(scheduler, "epoch")]),
        (([one, two], [scheduler]), {"optimizer_0": one, "optimizer_1": two}, [(scheduler, "epoch")]),
        ([config, {"optimizer": two}], {"optimizer_0": one, "optimizer_1": two}, [(scheduler, "step")]),
        # A pair for the Trainer of transformers, a record of Lightning, and accelerate's wrapper.
        ((one, None), {"": one}, []),
        ((one, scheduler), {"": one}, [(scheduler, "")]),
        (([one], [SimpleNamespace(scheduler=scheduler, interval="step")]), {"": one}, [(scheduler, "step")]),
        ((one, Wrapped(scheduler)), {"": one}, [(scheduler, "")]),
    ]
    for given, optimizers, schedulers in forms:
        assert optimizers_of(given) == (optimizers, schedulers)
    found = lrdecay_cli.audit_optimizer(model, [one, two], schedulers=[chained]).live
    assert found
    assert [(each.name, each.minimum) for each in found.schedulers] == [
        ("SequentialLR", None),
        ("CosineAnnealingLR", 0.01),
        ("CosineAnnealingLR", 0),
    ]
    for given in (None, [], {}, "AdamW", model, [None, None], one.param_groups, [one, 3]):
        with pytest.raises(lrdecay_cli.LrdecayError, match=r"^audit_optimizer: [^\n]+$"):
            lrdecay_cli.audit_optimizer(model, given)
    with pytest.raises(
        lrdecay_cli.LrdecayError, match=r"type of the model is SGD, not torch\.nn\.Module; pass the model"
    ):
        lrdecay_cli.audit_optimizer(one, model)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"schedulers": "cosine"}, "schedulers: an object of type str is no scheduler; pass the scheduler object"),
        ({"schedulers": [CosineAnnealingLR]}, "schedulers: an object of type type is no scheduler"),
        ({"base_lr": "x"}, "base_lr: 'x' is not a number above 0"),
        ({"base_lr": float("nan")}, "base_lr: nan is not a number above 0"),
        ({"base_lr": True}, "base_lr: True is not a number above 0"),
        ({"base_lr": 0}, "base_lr: 0 is not a number above 0"),
    ],
)
def test_arguments_of_another_type(arguments: dict[str, Any], error: str) -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(lrdecay_cli.LrdecayError) as raised:
        lrdecay_cli.audit_optimizer(model, torch.optim.SGD(model.parameters(), lr=0.1), **arguments)
    assert raised.value.line().startswith(error)


SCHEDULED: dict[str, tuple[Any, list[str]]] = {
    "the scheduler of another optimizer": (
        lambda generator, critic: CosineAnnealingLR(critic, 4, eta_min=1e-4),
        [],
    ),
    "a floor above the optimizer's own groups": (
        lambda generator, critic: CosineAnnealingLR(generator, 4, eta_min=1e-4),
        [
            "eta_min=0.0001 of CosineAnnealingLR is above the lr of 2 groups (1e-06 to 1e-05): it raises these lrs",
        ],
    ),
    "a scheduler of an optimizer that is not audited": (
        lambda generator, critic: CosineAnnealingLR(
            torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0), 4, eta_min=0.5
        ),
        [],
    ),
    "one cycle for all groups": (
        lambda generator, critic: CyclicLR(generator, 1e-6, 1e-3, step_size_up=5, cycle_momentum=False),
        ["CyclicLR gives 2 groups the same lrs, 1e-06 to 0.001"],
    ),
    "cycles with one peak": (
        lambda generator, critic: CyclicLR(generator, [1e-6, 1e-5], 1e-3, step_size_up=5, cycle_momentum=False),
        ["CyclicLR gives 2 groups the same peak lr 0.001"],
    ),
    "a cycle for each group": (
        lambda generator, critic: CyclicLR(generator, [1e-6, 1e-5], [1e-4, 1e-3], cycle_momentum=False),
        [],
    ),
    "one average lr": (
        lambda generator, critic: SWALR(generator, swa_lr=5e-4),
        ["SWALR brings 2 groups with lrs of 1e-06 to 1e-05 to the same lr 0.0005"],
    ),
    "an average lr for each group": (lambda generator, critic: SWALR(generator, swa_lr=[5e-7, 5e-6]), []),
}


@pytest.mark.parametrize("case", SCHEDULED)
def test_a_scheduler_concerns_the_groups_of_its_optimizer(case: str) -> None:
    make, messages = SCHEDULED[case]
    model = Toy()
    parts = [*model.backbone]
    groups = [{"params": part.parameters(), "lr": lr} for part, lr in zip(parts, (1e-6, 1e-5), strict=True)]
    optimizers = {"generator": torch.optim.SGD(groups, lr=1.0), "critic": torch.optim.SGD(model.head.parameters(), 0.1)}
    scheduler = make(*optimizers.values())
    found = lrdecay_cli.audit_optimizer(model, optimizers, schedulers=scheduler)
    of_schedulers = [f.message for f in lrdecay_cli.check(found).findings if f.code in ("LRD612", "LRD613")]
    assert of_schedulers == messages


def test_optimizers_without_weight_decay_need_none() -> None:
    model = Toy()
    pair = [torch.optim.LBFGS(model.backbone.parameters()), torch.optim.AdamW(model.head.parameters())]
    assert "LRD408" not in codes(lrdecay_cli.audit_optimizer(model, pair))


@pytest.mark.parametrize(
    ("weight_decay", "text"),
    [(float("nan"), "weight decay nan"), (-0.05, "weight decay -0.05"), (float("inf"), "weight decay inf")],
)
def test_a_weight_decay_that_no_training_can_have(weight_decay: float, text: str) -> None:
    model = nn.Linear(4, 4)
    optimizer = torch.optim.AdamW([{"params": model.parameters(), "weight_decay": weight_decay}], lr=0.1)
    found = lrdecay_cli.check(lrdecay_cli.audit_optimizer(model, optimizer))
    assert [f.message for f in found.findings if f.code == "LRD409"] == [f"1 group has {text}"]
    sum(parameter.sum() for parameter in model.parameters()).backward()  # type: ignore[union-attr]
    before = model.weight.abs().sum().item()
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    assert not model.weight.abs().sum().item() <= before


def test_a_class_without_a_row_is_measured_only_if_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []

    class Mine(torch.optim.SGD):
        def __init__(self, params: Any, lr: float = 0.1) -> None:
            super().__init__(params, lr)
            built.append(len(self.param_groups))

    model = nn.Linear(2, 2)
    optimizer = Mine(model.parameters())
    built.clear()
    assert lrdecay_cli.audit_optimizer(model, optimizer).optimizer.effects[""].lr == "followed"
    assert built
    built.clear()
    assert lrdecay_cli.audit_optimizer(model, optimizer, measure=False).optimizer.effects == {}
    # A step may wait for other processes, which take none.
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    assert lrdecay_cli.audit_optimizer(model, optimizer).optimizer.effects == {}
    assert not built


def test_the_share_of_parameters_in_no_group_counts_only_the_model() -> None:
    model, other = Toy(), Toy()
    found = lrdecay_cli.audit_optimizer(model, torch.optim.SGD(other.head.parameters(), lr=0.1))
    (message,) = (f.message for f in lrdecay_cli.check(found).findings if f.code == "LRD101")
    assert message == "6 trainable tensors are in no parameter group"


def test_nothing_changes_and_nothing_runs() -> None:
    model = Toy().eval()
    model.forward = model.train = lambda *_: pytest.fail("it is not run")  # type: ignore[method-assign, assignment]
    optimizer = torch.optim.AdamW([{"params": [each]} for each in model.head.parameters()], lr=torch.tensor(1e-3))
    state = torch.get_rng_state()
    before = {key: [{**group} for group in value] for key, value in optimizer.state_dict().items() if key != "state"}
    found = lrdecay_cli.audit_optimizer(model, optimizer)
    assert found.groups[0].lr == pytest.approx(1e-3)
    assert torch.equal(torch.get_rng_state(), state)
    assert optimizer.state_dict()["param_groups"] == before["param_groups"]
    assert not optimizer.state
    assert not any(each.grad is not None for each in model.parameters())


class WithoutOpenMMLab:
    """Finds no module of the package, as if it were not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("mmengine", "mmcv", "mmdet", "mmpretrain"):
            raise ModuleNotFoundError(name)


def test_it_needs_nothing_of_openmmlab() -> None:
    def work(_: str) -> bytes:
        try:
            for name in [*sys.modules]:
                if name.startswith(("mm", "lrdecay_cli")):
                    del sys.modules[name]
            sys.meta_path.insert(0, WithoutOpenMMLab())
            import lrdecay_cli

            model = Toy()
            found = lrdecay_cli.audit_optimizer(model, torch.optim.AdamW(model.parameters(), lr=1e-3))
            lrdecay_cli.check(found)
            return str(found).splitlines()[-1].encode()
        except BaseException as error:
            return repr(error).encode()

    # In a fork of this process, which removes its modules.
    (child,) = in_children(["without"], work, jobs=1)
    summary = b"1 group with 8 of 8 tensors; 68 of 68 parameters; 2 frozen (2 in groups); 0 missing; 2 duplicates"
    assert child.answer == summary


def test_every_command_takes_a_saved_one(tmp_path: Path) -> None:
    model = Toy()
    path, other = str(tmp_path / "live.json"), str(tmp_path / "other.json")
    found = lrdecay_cli.audit_optimizer(model, torch.optim.SGD(groups_of(model), lr=0.01))
    found.save(path)
    assert read_map(path) == found
    lrdecay_cli.audit_optimizer(model, torch.optim.SGD(model.head.parameters(), lr=0.02)).save(other)
    for arguments, code in (
        (("inspect", path), 0),
        (("inspect", path, "--by", "module"), 0),
        (("inspect", path, "--format", "html"), 0),
        (("check", path, other, "--format", "sarif"), 1),
        (("explain", path, "head", "--why-not", "head.weight", "--group", "backbone"), 0),
        (("diff", path, path), 0),
        (("diff", path, other), 1),
        (("baseline", path, "-o", str(tmp_path / "baselines")), 0),
        (("check", path, "--baseline", str(tmp_path / "baselines")), 0),
        (("schedule", path), 2),
        (("suggest", path), 2),
        (("dry-run", path), 2),
        (("where", path), 2),
    ):
        done = lrdecay_here(*arguments)
        assert done.code == code, (arguments, done)
        if code == 2:
            assert done.err.count("\n") == 1
            assert "internal error" not in done.err


@pytest.mark.parametrize("file", ["baselines/Toy.txt", "baselines/Toy.json"])
def test_a_finding_names_steps_that_update_the_baseline(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run each step that a fix names, unchanged."""
    monkeypatch.chdir(tmp_path)
    Path("baselines").mkdir()
    model = Toy()

    def renew(fix: str, group_map: lrdecay_cli.GroupMap) -> None:
        program, _, command = fix.partition(", then lrdecay ")
        exec(program, {"group_map": group_map})
        assert not command or lrdecay_here(*shlex.split(command)).code == 0

    before, after = (lrdecay_cli.audit_optimizer(model, torch.optim.SGD(groups_of(model), lr=lr)) for lr in (0.1, 0.2))
    given = "baselines/" if file.endswith(".txt") else file
    with pytest.raises(lrdecay_cli.LrdecayError, match="no baseline") as raised:
        lrdecay_cli.check(before, baseline=given)
    renew(raised.value.fix.removeprefix("make it with: "), before)
    assert Path(file).is_file()
    assert not lrdecay_cli.check(before, select=["LRD7"], baseline=given).findings
    (finding,) = lrdecay_cli.check(after, select=["LRD7"], baseline=given).findings
    shows, fix = finding.fix.removeprefix("see all differences with: ").split("; if they are intended, run: ")
    assert eval(shows, {"lrdecay_cli": lrdecay_cli, "group_map": after}).changes
    renew(fix, after)
    assert not lrdecay_cli.check(after, select=["LRD7"], baseline=given).findings
    if file.endswith(".txt"):
        assert "--update" not in Path(file).read_text()


def test_the_name_of_a_program_in_reports(tmp_path: Path) -> None:
    path = str(tmp_path / "live.json")
    model = Toy()
    lrdecay_cli.audit_optimizer(model, torch.optim.SGD(groups_of(model), lr=0.01), name="my run").save(path)
    shown = lrdecay_here("inspect", path).out
    assert shown.startswith("program            my run\nmodel              Toy, ")
    assert "constructor" not in shown
    assert "paramwise_cfg" not in shown
    explained = lrdecay_here("explain", path, "head").out
    assert "observed  a program built the groups" in explained
    assert "unknown" not in explained
    assert "read without a config" not in lrdecay_here("check", path).out


def test_json_of_other_maps_has_no_word_of_it() -> None:
    from tests.checking.maps import decay_map

    assert "live" not in msgspec.to_builtins(decay_map())
