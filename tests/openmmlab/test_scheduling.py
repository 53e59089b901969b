"""lrdecay's schedule, compared with the lrs that mmengine's own Runner sets in a real training."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.analysis.scheduling.summary import schedule_of
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.schedule import Run
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.schedulers.running import run_schedule
from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan
from tests.openmmlab.training import Watch, train

SGD = dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4)
ADAM = dict(type="AdamW", lr=1e-3, weight_decay=0.05)
LAYERS = dict(custom_keys={"backbone.0": dict(lr_mult=0.1), "backbone.1": dict(lr_mult=0.4)})
EPOCHS = dict(by_epoch=True, max_epochs=6)
ITERATIONS = dict(by_epoch=False, max_iters=40)
WARM_UP = dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=9)

SCHEDULES: dict[str, Any] = {
    "none": None,
    "one, not in a list": dict(type="ExponentialLR", gamma=0.7),
    "linear and multistep": [WARM_UP, dict(type="MultiStepLR", milestones=[3, 5], gamma=0.1)],
    "warm-up longer than an epoch, a milestone within": [
        dict(WARM_UP, end=17),
        dict(type="MultiStepLR", milestones=[1, 1, 4], gamma=0.3, begin=1),
    ],
    "cosine with eta_min": dict(type="CosineAnnealingLR", T_max=6, eta_min=2e-4),
    "cosine by iteration, converted, after a warm-up": [
        dict(type="LinearLR", start_factor=1e-3, begin=0, end=2, convert_to_iter_based=True),
        dict(type="CosineAnnealingLR", T_max=4, eta_min_ratio=0.05, begin=2, end=6, convert_to_iter_based=True),
    ],
    "mmdet's usual: converted warm-up, cosine by epoch": [
        dict(type="LinearLR", start_factor=1e-4, by_epoch=True, begin=0, end=1, convert_to_iter_based=True),
        dict(type="CosineAnnealingLR", eta_min=1e-5, by_epoch=True, begin=1, end=6),
    ],
    "cosine past its lowest point": dict(type="CosineAnnealingLR", T_max=7, by_epoch=False, eta_min=1e-5),
    "poly": dict(type="PolyLR", power=0.9, eta_min=1e-5, by_epoch=False),
    "poly by epoch, late": [WARM_UP, dict(type="PolyLR", power=2.0, begin=2, end=5)],
    "one-cycle": dict(type="OneCycleLR", eta_max=0.2, total_steps=42, by_epoch=False),
    "one-cycle in three phases": dict(
        type="OneCycleLR",
        eta_max=0.2,
        pct_start=0.4,
        three_phase=True,
        anneal_strategy="linear",
        convert_to_iter_based=True,
    ),
    "one-cycle of a peak for each group and mmengine's base": dict(
        type="OneCycleLR", eta_max=[0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07], total_steps=42, by_epoch=False
    ),
    "exponential by iteration": dict(type="ExponentialLR", gamma=0.93, by_epoch=False, begin=5, end=30),
    "step": [dict(type="StepLR", step_size=2, gamma=0.5), dict(type="StepLR", step_size=9, gamma=0.9, by_epoch=False)],
    "constant": [
        dict(type="ConstantLR", factor=0.25, by_epoch=False, begin=0, end=11),
        dict(type="ConstantLR", factor=0.5, begin=3, end=5),
    ],
    "restarts": dict(
        type="CosineRestartLR", periods=[10, 12, 5], restart_weights=[1, 0.5, 0.2], eta_min=1e-5, by_epoch=False
    ),
    "gaps": [
        dict(type="LinearLR", start_factor=0.5, by_epoch=False, begin=3, end=8),
        dict(type="MultiStepLR", milestones=[2, 6, 7], gamma=0.5, by_epoch=False, begin=20, end=27),
        dict(type="PolyLR", by_epoch=False, begin=30, end=36, eta_min=1e-6),
    ],
    "momentum": [
        WARM_UP,
        dict(type="LinearMomentum", start_factor=0.9, by_epoch=False, begin=0, end=9),
        dict(type="CosineAnnealingMomentum", eta_min=0.5, begin=2, end=6),
    ],
    "weight decay": [
        WARM_UP,
        dict(type="CosineAnnealingParamScheduler", param_name="weight_decay", eta_min=1e-6, begin=0, end=6),
    ],
    "plateau, without a validation": [WARM_UP, dict(type="ReduceOnPlateauLR", monitor="loss", patience=1)],
    "mmdet's own warm-up": [
        dict(type="mmdet.QuadraticWarmupLR", begin=0, end=2, convert_to_iter_based=True),
        dict(type="CosineAnnealingLR", begin=2, end=5, eta_min=1e-4, convert_to_iter_based=True),
    ],
    "a milestone at the start": dict(type="MultiStepLR", milestones=[0, 2], gamma=0.1),
}
# The Runner also counts from 0, and one-cycle by epoch would need more steps than it has.
IN_ITERATIONS = [
    *("linear and multistep", "cosine past its lowest point", "poly", "one-cycle", "gaps", "restarts", "momentum"),
    *("mmdet's usual: converted warm-up, cosine by epoch", "exponential by iteration", "one, not in a list"),
]


def cases() -> list[Any]:
    by_epoch = [(name, EPOCHS) for name in SCHEDULES]
    return [
        pytest.param(name, loop, id=f"{name} ({[*loop][1]})")
        for name, loop in [*by_epoch, *((n, ITERATIONS) for n in IN_ITERATIONS)]
    ]


@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=["SGD", "AdamW"])
@pytest.mark.parametrize(("name", "loop"), cases())
def test_every_iteration_is_as_in_training(
    name: str, loop: dict[str, Any], optimizer: dict[str, Any], tmp_path: Path
) -> None:
    config = written(tmp_path, loop, dict(optimizer=optimizer, paramwise_cfg=LAYERS), SCHEDULES[name])
    check_against_training(config, tmp_path)


@pytest.mark.parametrize("paramwise", [None, LAYERS], ids=["one group", "several"])
def test_groups_are_folded_only_where_they_are_alike(paramwise: Any, tmp_path: Path) -> None:
    config = written(tmp_path, EPOCHS, dict(optimizer=SGD, paramwise_cfg=paramwise), SCHEDULES["cosine with eta_min"])
    check_against_training(config, tmp_path)


def test_each_optimizer_has_its_own_schedulers(tmp_path: Path) -> None:
    wrapper = dict(
        constructor="OneForEach",
        backbone=dict(optimizer=dict(SGD, lr=0.02), paramwise_cfg=dict(custom_keys={"0": dict(lr_mult=0.5)})),
        head=dict(optimizer=ADAM),
    )
    by_name = dict(
        # AdamW has no ``momentum`` to change.
        backbone=[WARM_UP, dict(type="MultiStepLR", milestones=[3]), dict(type="LinearMomentum", end=3)],
        head=dict(type="PolyLR", by_epoch=False, power=0.9),
    )
    check_against_training(written(tmp_path, EPOCHS, wrapper, by_name, "TwoHeadedToy"), tmp_path)


def test_both_optimizers_share_the_schedulers(tmp_path: Path) -> None:
    wrapper = dict(constructor="OneForEach", backbone=dict(optimizer=SGD), head=dict(optimizer=ADAM))
    path = written(tmp_path, EPOCHS, wrapper, SCHEDULES["cosine with eta_min"], "TwoHeadedToy")
    check_against_training(path, tmp_path)


@pytest.mark.parametrize("scheduled", ["momentum", "lr"])
def test_groups_of_other_betas_keep_theirs(scheduled: str, tmp_path: Path) -> None:
    schedulers = {"momentum": SCHEDULES["momentum"], "lr": SCHEDULES["cosine with eta_min"]}[scheduled]
    wrapper = dict(constructor="BetasOfItsOwn", optimizer=ADAM, paramwise_cfg=LAYERS)
    check_against_training(written(tmp_path, EPOCHS, wrapper, schedulers), tmp_path)


def test_classes_take_the_place_of_names(tmp_path: Path) -> None:
    """Schedulers as in a lazy config."""
    path = tmp_path / "lazy.py"
    path.write_text(LAZY, encoding="utf-8")
    check_against_training(path, tmp_path)


LAZY = """
from mmengine.optim import LinearLR, MultiStepLR
from torch.optim import SGD

from tests.openmmlab.training import Toy

model = dict(type=Toy)
train_dataloader = dict(batch_size=2)
train_cfg = dict(by_epoch=True, max_epochs=4)
optim_wrapper = dict(optimizer=dict(type=SGD, lr=0.1))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.1, by_epoch=False, begin=0, end=9),
    dict(type=MultiStepLR, milestones=[2, 3]),
]
"""


def test_an_optimizer_for_which_there_is_no_scheduler_is_named(tmp_path: Path) -> None:
    wrapper = dict(constructor="OneForEach", backbone=dict(optimizer=SGD), head=dict(optimizer=ADAM))
    path = written(tmp_path, EPOCHS, wrapper, dict(backbone=[WARM_UP]), "TwoHeadedToy")
    with pytest.raises(LrdecayError) as caught:
        followed(path)
    assert caught.value.line() == f"{path}: param_scheduler has no entry for the optimizer 'head'; add head=[...]"
    misspelt = written(tmp_path, EPOCHS, wrapper, dict(backbone=[WARM_UP], haed=[WARM_UP]), "TwoHeadedToy")
    with pytest.raises(LrdecayError, match="no entry for the optimizer 'head'; rename haed to head"):
        followed(misspelt)


def test_an_epoch_of_repeated_datasets(tmp_path: Path) -> None:
    """Compare with the length of mmengine's own RepeatDataset, also nested."""
    inner = dict(type="RepeatDataset", times=2, dataset=dict(type="Thirteen"))
    toy = dict(type="mmengine.RepeatDataset", times=3, dataset=inner)
    path = written(tmp_path, EPOCHS, dict(optimizer=SGD), None)
    path.write_text(path.read_text() + f"train_dataloader['dataset'] = {toy!r}\n", encoding="utf-8")
    planned = load_plan(str(path))
    real = DATASETS.build(copy.deepcopy(toy))
    assert run_length(planned.plan, dataset_size=13).iterations_per_epoch == len(real) / 2 == 39


@pytest.mark.parametrize(
    ("schedulers", "loop", "message"),
    [
        (
            dict(type="CosineAnealingLR"),
            EPOCHS,
            r"unknown parameter scheduler 'CosineAnealingLR' at param_scheduler\.type .* you mean CosineAnnealingLR\?",
        ),
        (
            [WARM_UP, dict(type="MultiStepLr", milestones=[1])],
            EPOCHS,
            r"'MultiStepLr' at param_scheduler\[1\]\.type .*did you mean MultiStepLR\?",
        ),
        (dict(type="StepLR", step_size=2, begin=6), EPOCHS, r"StepLR.*end should be larger than begin"),
        (
            dict(type="LinearLR", start_factor=0.0, by_epoch=False),
            EPOCHS,
            r"LinearLR at param_scheduler fails after iteration 0: ZeroDivisionError",
        ),
        (
            dict(a=dict(type="StepLR", step_size=2)),
            EPOCHS,
            r"param_scheduler has the keys 'a' and no 'type', but there is only one",
        ),
        ([3], EPOCHS, r"param_scheduler\[0\] is a int"),
        ([dict(milestones=[1])], EPOCHS, r"param_scheduler\[0\] has no 'type'"),
        (None, dict(by_epoch=True), r"train_cfg has no 'max_epochs', which EpochBasedTrainLoop needs"),
        (None, dict(max_epochs=3), r"train_cfg has neither 'type' nor 'by_epoch'"),
        (
            None,
            dict(type="EpochBasedTrainLop", max_epochs=3),
            r"unknown loop 'EpochBasedTrainLop' at train_cfg\.type .*did you mean EpochBasedTrainLoop\?",
        ),
        (
            None,
            dict(type="EpochBasedTrainLoop", by_epoch=True, max_epochs=3),
            r"train_cfg has both 'type' and 'by_epoch'; remove type or by_epoch",
        ),
        (None, dict(by_epoch=True, max_epochs=2.5), r"train_cfg\.max_epochs is 2\.5, not a number of epochs"),
        (None, {}, r"config has no 'train_cfg'"),
    ],
)
def test_errors_name_the_place(schedulers: Any, loop: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = written(tmp_path, loop, dict(optimizer=SGD), schedulers)
    with pytest.raises(LrdecayError) as caught:
        followed(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert re.search(message, str(caught.value)), caught.value


@pytest.fixture
def own_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return the path of a config that defines a scheduler, by the settings of this scheduler."""
    (tmp_path / "by_number.py").write_text(BY_NUMBER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def config(**scheduler: Any) -> Path:
        wrapper = dict(optimizer=SGD, paramwise_cfg=LAYERS)
        path = written(tmp_path, EPOCHS, wrapper, [dict(type="StepLR", step_size=2), scheduler])
        text = path.read_text().replace("['tests.openmmlab.training']", "['tests.openmmlab.training', 'by_number']")
        path.write_text(text)
        return path

    return config


@pytest.mark.parametrize("by_epoch", [False, True])
@pytest.mark.parametrize("kind", ["ByNumber", "BySteps"])
def test_a_scheduler_that_the_config_brings_along_is_run_as_it_is(
    kind: str, by_epoch: bool, own_scheduler: Callable[..., Path], tmp_path: Path
) -> None:
    """Schedulers that use the index of the group, or have their own steps, unlike those of mmengine."""
    # mmengine's own scheduler would have no effect from 2 on.
    check_against_training(own_scheduler(type=kind, by_epoch=by_epoch, end=2), tmp_path)


def test_a_scheduler_that_counts_iterations_by_itself_needs_their_number(own_scheduler: Callable[..., Path]) -> None:
    """The config does not show that it counts them, so this is known only after the build."""
    path = own_scheduler(type="BySteps")
    planned = load_plan(str(path))
    with pytest.raises(LrdecayError) as caught:
        run_schedule(planned, audit(str(path)), run_length(planned.plan))
    assert caught.value.line() == (
        f"{path}: BySteps at param_scheduler[1] counts iterations, but the number of iterations per epoch is unknown; "
        "give --iters-per-epoch N"
    )


BY_NUMBER = """
from mmengine.optim.scheduler import ExponentialLR
from mmengine.registry import PARAM_SCHEDULERS

@PARAM_SCHEDULERS.register_module(force=True)
class ByNumber(ExponentialLR):
    def __init__(self, optimizer, **options):
        super().__init__(optimizer, gamma=0.9, **options)

    def _get_value(self):
        return [group["lr"] * (1 - 0.01 * number) for number, group in enumerate(self.optimizer.param_groups)]


@PARAM_SCHEDULERS.register_module(force=True)
class BySteps(ExponentialLR):
    def __init__(self, optimizer, by_epoch=False, **options):
        super().__init__(optimizer, gamma=0.9, by_epoch=by_epoch, **options)

    def step(self):
        self._global_step += 1
        for group in self.optimizer.param_groups:
            group["lr"] *= 0.99 if self._global_step % 3 else 1.01
"""


def written(folder: Path, loop: dict[str, Any], wrapper: dict[str, Any], schedulers: Any, model: str = "Toy") -> Path:
    path = folder / "toy.py"
    config = dict(
        model=dict(type=model),
        custom_imports=dict(imports=["tests.openmmlab.training"]),
        train_dataloader=dict(batch_size=2),
        train_cfg=loop,
        optim_wrapper=wrapper,
        param_scheduler=schedulers,
    )
    path.write_text("".join(f"{key} = {value!r}\n" for key, value in config.items()), encoding="utf-8")
    return path


def followed(path: Path) -> Run:
    planned = load_plan(str(path))
    return run_schedule(planned, audit(str(path)), run_length(planned.plan, iterations_per_epoch=7))


def check_against_training(path: Path, folder: Path) -> None:
    """13 samples in batches of 2: 7 iterations per epoch, the last one smaller."""
    watch = train(Config.fromfile(str(path)), 13, folder)
    planned = load_plan(str(path))
    length = run_length(planned.plan, dataset_size=13)
    group_map = audit(str(path))
    run = run_schedule(planned, group_map, length)
    series = run.series
    assert len(watch.groups) == length.steps
    names = [group.name for group in group_map.groups]
    real = {
        name: names.index(name) - names.index(next(n for n in names if _optimizer(n, watch) == _optimizer(name, watch)))
        for name in names
    }
    compared = set()
    for index, track in enumerate(series.tracks):
        for group in track.groups:
            compared.add((group, track.parameter))
            ours = [series.at(step, index) for step in range(length.steps)]
            theirs = [seen[track.optimizer][real[group]][track.parameter] for seen in watch.groups]
            assert ours == theirs, (group, track.parameter)
    assert {(group, "lr") for group in real} <= compared
    assert {track.optimizer for track in series.tracks} == {*watch.groups[0]}
    logged = [{key: series.at(step, index) for key, index in run.log_keys} for step in range(length.steps)]
    assert logged == watch.logged


def _optimizer(group: str, watch: Watch) -> str:
    return next(name for name in watch.groups[0] if group.startswith(f"{name}." if name else ""))


# By features of param_scheduler: mixed iterations and epochs, converted, mmdet's and mmpretrain's own schedulers,
# weight decay, an iteration-based loop, none.
ZOO = {
    "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py": {"lr"},
    "mmdet::faster_rcnn/faster-rcnn_r50-caffe_fpn_90k_coco.py": {"lr"},
    "mmdet::yolox/yolox_tiny_8xb8-300e_coco.py": {"lr"},
    "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py": {"lr"},
    "mmpretrain::resnet/resnet18_8xb32_in1k.py": {"lr"},
    "mmpretrain::spark/spark_sparse-resnet50_8xb512-amp-coslr-800e_in1k.py": {"lr", "weight_decay"},
    "mmpretrain::mobilenet_v3/mobilenet-v3-small_8xb128_in1k.py": {"lr"},
}


@pytest.mark.parametrize("config", ZOO)
def test_schedules_of_the_zoo_run(config: str) -> None:
    planned = load_plan(config)
    length = run_length(planned.plan, iterations_per_epoch=100)
    group_map = audit(config, device="meta")
    schedule = schedule_of(run_schedule(planned, group_map, length), planned.plan, length, group_map)
    assert {name for curve in schedule.curves for name in curve.moments} == ZOO[config]
    assert {group for curve in schedule.curves for group in curve.groups} == {group.name for group in group_map.groups}
    for curve in schedule.curves:
        assert curve.moments["lr"].peak == pytest.approx(curve.configured[0], rel=0.02)
        assert 0 <= curve.moments["lr"].lowest < curve.moments["lr"].peak
    assert len(schedule.schedulers) == len(planned.plan.schedulers)
