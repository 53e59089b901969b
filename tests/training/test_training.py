"""mmengine's own Runner trains small detectors with the constructor and the hook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.runner import Runner

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.domain.change import ASPECTS
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files.map_file import read_map
from lrdecay_cli.files.writing import to_json
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.training import ParamGroupAuditHook
from tests.training.pictures import BACKBONES, detector_config, loaded

STEPS_PER_EPOCH = 2


def scheduled_lr(base_lr: float, steps: int) -> float:
    """Return the lr of torch's own scheduler from the base lr."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base_lr)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10)
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
    return float(optimizer.param_groups[0]["lr"])


def assert_scaled(runner: Runner, group_map: GroupMap, steps: int) -> None:
    groups = runner.optim_wrapper.optimizer.param_groups
    assert [group["group_name"] for group in groups] == [group.name for group in group_map.groups]
    scales = {group.lr_scale for group in group_map.groups}
    assert {2.0, 1.0, 0.7} < scales
    for live, group in zip(groups, group_map.groups, strict=True):
        assert live["lr"] == pytest.approx(group.lr_scale * scheduled_lr(1e-3, steps), rel=1e-12)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_trained_saved_and_resumed(tmp_path: Path, backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = detector_config(tmp_path, backbone)
    inspected = audit(str(path))
    runner = Runner.from_cfg(loaded(path, f"{tmp_path.name}-1"))
    before = {name: parameter.clone() for name, parameter in runner.model.named_parameters()}
    runner.train()
    moved = [name for name, parameter in runner.model.named_parameters() if not torch.equal(parameter, before[name])]
    assert len(moved) > 0.9 * len(before)

    written = tmp_path / "work/param_groups.json"
    live = read_map(str(written))
    here = {"config": inspected.config, "stubs": inspected.stubs}
    assert live.stubs == ()
    assert msgspec.structs.replace(live, **here) == inspected
    assert_scaled(runner, live, 2 * STEPS_PER_EPOCH)

    # mmengine 0.10.7 stores its own objects in a checkpoint, which torch loads only with weights_only=False.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    # mmengine restores the saved lr: the config's new lr has no effect, and the map shows this.
    baseline = tmp_path / "audited.json"
    written.rename(baseline)
    changed = loaded(
        path,
        f"{tmp_path.name}-2",
        **{"train_cfg.max_epochs": 3, "optim_wrapper.optimizer.lr": 5e-3, "resume": True},
        custom_hooks=[{"type": "ParamGroupAuditHook", "baseline": str(baseline)}],
    )
    resumed = Runner.from_cfg(changed)
    resumed.train()
    assert resumed.iter == 3 * STEPS_PER_EPOCH
    again = read_map(str(written))
    assert [group.lr for group in again.groups] == [group.lr for group in live.groups]
    assert list(diff(live, again)) == []
    assert_scaled(resumed, live, 3 * STEPS_PER_EPOCH)


def test_a_training_that_is_not_the_audited_one_does_not_begin(tmp_path: Path) -> None:
    path = detector_config(tmp_path, "convnext")
    baseline = tmp_path / "audited.json"
    baseline.write_text(to_json(audit(str(path), cfg_options=("optim_wrapper.paramwise_cfg.decay_rate=0.8",))))
    hooks = [{"type": "ParamGroupAuditHook", "baseline": str(baseline)}]
    runner = Runner.from_cfg(loaded(path, tmp_path.name, custom_hooks=hooks))
    with pytest.raises(LrdecayError) as caught:
        runner.train()
    written = tmp_path / "work/param_groups.json"
    assert caught.value.problem.startswith("the parameter groups differ from the audited groups (different: ")
    assert "85 of 112 tensors (lr scale 85, lr 85)" in caught.value.problem
    assert caught.value.fix == f"run: lrdecay diff {baseline} {written}"
    assert runner.iter == 0
    assert not list(tmp_path.glob("work/*.pth"))
    assert read_map(str(written)).groups
    log = next(tmp_path.glob("work/*/*.log")).read_text()
    assert log.count("Parameter groups (") == 1
    assert "layer_0_no_decay" in log
    assert "Parameter groups differ from" in log


class Recorder:
    """A logger that keeps all messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.info = self.error = self.warning = self.lines.append


@pytest.fixture(scope="module")
def convnext_map(tmp_path_factory: pytest.TempPathFactory) -> GroupMap:
    return audit(str(detector_config(tmp_path_factory.mktemp("convnext"), "convnext")), device="meta")


def with_first_lr(group_map: GroupMap, factor: float) -> GroupMap:
    first, *rest = group_map.groups
    return msgspec.structs.replace(group_map, groups=(msgspec.structs.replace(first, lr=first.lr * factor), *rest))


@pytest.mark.parametrize(
    ("options", "stops"),
    [
        ({}, True),
        ({"rtol": 1e-3}, True),
        ({"rtol": 1e-2}, False),
        ({"only": ["weight_decay", "state"]}, False),
        ({"only": ["lr"]}, True),
    ],
)
def test_compared_aspects(tmp_path: Path, convnext_map: GroupMap, options: dict[str, Any], stops: bool) -> None:
    baseline = tmp_path / "audited.json"
    baseline.write_text(to_json(convnext_map))
    hook = ParamGroupAuditHook(baseline=str(baseline), **options)
    hook.judge(convnext_map, tmp_path, Recorder())
    other = with_first_lr(convnext_map, 1.005)
    if not stops:
        hook.judge(other, tmp_path, None)
        return
    with pytest.raises(LrdecayError, match="differ from the audited groups"):
        hook.judge(other, tmp_path, None)


@pytest.mark.parametrize(
    ("options", "stops", "logged"),
    [
        ({}, False, True),
        ({"fail_on": "error", "select": ["LRD301"]}, True, True),
        ({"ignore": ["LRD301"]}, False, False),
        ({"select": ["scale-above-one"]}, False, True),
    ],
)
def test_the_rules_are_run(
    tmp_path: Path, convnext_map: GroupMap, options: dict[str, Any], stops: bool, logged: bool
) -> None:
    first, *rest = convnext_map.groups
    fast = msgspec.structs.replace(first, lr_scale=4.0, lr=4e-3)
    group_map = msgspec.structs.replace(convnext_map, groups=(fast, *rest))
    hook, logger = ParamGroupAuditHook(**options), Recorder()
    if stops:
        with pytest.raises(LrdecayError, match=r"the rules report \d error"):
            hook.judge(group_map, tmp_path, logger)
    else:
        hook.judge(group_map, tmp_path, logger)
    lines = [line for line in logger.lines if "LRD301 scale-above-one" in line]
    assert len(lines) == logged
    assert (tmp_path / "param_groups.json").exists()


def test_only_the_first_rank_writes_and_logs(tmp_path: Path, convnext_map: GroupMap) -> None:
    hook = ParamGroupAuditHook(filename="groups.json")
    hook.judge(convnext_map, tmp_path, None)
    assert list(tmp_path.iterdir()) == []
    logger = Recorder()
    hook.judge(convnext_map, tmp_path, logger)
    assert (tmp_path / "groups.json").read_text() == to_json(convnext_map)
    assert all(group.name in logger.lines[0] for group in convnext_map.groups)


OPTIONS = "one of baseline, only, rtol, select, ignore, fail_on, filename, log_lr, priority"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"baselin": "a.json"}, f"ParamGroupAuditHook: unknown option 'baselin'; did you mean baseline? {OPTIONS}"),
        ({"x": 1}, f"ParamGroupAuditHook: unknown option 'x'; {OPTIONS}"),
        (
            {"fail_on": "fatal"},
            "ParamGroupAuditHook.fail_on: unknown severity 'fatal'; one of info, warning, error",
        ),
        ({"select": ["LRD30"], "ignore": ["LRD3011"]}, "--ignore: no rule 'LRD3011'; did you mean LRD301?"),
        ({"baseline": "missing.json"}, "missing.json: no such file; check the path"),
        ({"only": ["lrs"]}, f"--only: no aspect 'lrs'; did you mean lr? one of {', '.join(ASPECTS)}"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(LrdecayError) as caught:
        ParamGroupAuditHook(**options)
    assert str(caught.value) == line


class Line(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, inputs: list[torch.Tensor], mode: str = "loss") -> dict[str, torch.Tensor]:
        return {"loss": self.line(inputs[0]).sum()}


def test_a_runner_without_a_config(tmp_path: Path) -> None:
    model = Line()
    runner = Runner(
        model,
        str(tmp_path),
        train_dataloader=torch.utils.data.DataLoader([[torch.ones(1)]]),
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper=OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.2)),
        param_scheduler={"type": "ConstantLR", "factor": 0.5},
        custom_hooks=[ParamGroupAuditHook()],
        experiment_name=tmp_path.name,
    )
    runner.train()
    group_map = read_map(str(tmp_path / "param_groups.json"))
    (group,) = group_map.groups
    assert (group.lr, group.weight_decay, group_map.base_lr) == (0.1, 0.2, 0.1)
    assert [parameter.name for parameter in group.parameters] == ["line.weight", "line.bias"]
    assert group_map.optimizer.type == "SGD"


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class OnlyOnce(DefaultOptimWrapperConstructor):
    """Counts its calls, and exits at a second call."""

    asked = 0

    def __call__(self, model: torch.nn.Module) -> OptimWrapper:
        type(self).asked += 1
        if self.asked > 1:
            raise SystemExit("asked again")
        return super().__call__(model)


def test_a_constructor_that_cannot_be_run_again_stops_no_training(tmp_path: Path) -> None:
    """Its read options are then unknown, and no rule reports an option as never read."""
    wrapper = {
        "constructor": "OnlyOnce",
        "optimizer": {"type": "SGD", "lr": 0.1},
        "paramwise_cfg": {"bias_lr_mult": 2.0},
    }
    runner = Runner(
        Line(),
        str(tmp_path),
        train_dataloader=torch.utils.data.DataLoader([[torch.ones(1)]]),
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper=wrapper,
        custom_hooks=[ParamGroupAuditHook()],
        experiment_name=tmp_path.name,
        cfg={"optim_wrapper": wrapper},
    )
    runner.train()
    group_map = read_map(str(tmp_path / "param_groups.json"))
    assert OnlyOnce.asked == 2
    assert group_map.training
    assert group_map.training.reads is None
    lrs = {parameter.name: group.lr for group, parameter in group_map.grouped()}
    assert lrs == {"line.weight": 0.1, "line.bias": 0.2}
