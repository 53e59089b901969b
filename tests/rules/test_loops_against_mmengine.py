"""Compare the rule on loops with mmengine's Runner: reported configs do not build, and other configs do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import LOOPS, DefaultScope
from mmengine.runner import EpochBasedTrainLoop, Runner, ValLoop
from torch.utils.data import DataLoader

from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.training import Training
from lrdecay_cli.openmmlab.config_facts import loops_of
from lrdecay_cli.rules import find_rule
from lrdecay_cli.rules.running import findings_of
from tests.group_maps import group_map


class Recording(EpochBasedTrainLoop):
    """Passes all arguments on."""

    def __init__(self, runner: Any, dataloader: Any, *, note: str = "", **settings: Any) -> None:
        super().__init__(runner, dataloader, **settings)
        self.note = note


class Taking(ValLoop):
    """Accepts any arguments."""

    def __init__(self, runner: Any, dataloader: Any, evaluator: Any, **settings: Any) -> None:
        super().__init__(runner, dataloader, evaluator)
        self.settings = settings


for kind in (Recording, Taking):
    LOOPS.register_module(module=kind, force=True)


def found(key: str, settings: dict[str, Any], **config: Any) -> tuple[Finding, ...]:
    training = Training({}, (), {}, {}, None, (), loops=loops_of(Config({key: settings, **config})))
    return findings_of(group_map({"all": {"parameters": {"weight": (2,)}}}, training=training), [find_rule("LRD512")])


def build(key: str, settings: dict[str, Any]) -> None:
    """Return the result of Runner.train and Runner.test for the config."""
    loader = DataLoader([1, 2, 3])
    runner: Any = SimpleNamespace(_train_dataloader=loader, _val_dataloader=loader, _test_dataloader=loader)
    runner._val_evaluator = runner._test_evaluator = Evaluator([])
    getattr(Runner, f"build_{key.removesuffix('_cfg')}_loop")(runner, Config({key: settings})[key])


EPOCHS = {"by_epoch": True, "max_epochs": 12}
ITERATIONS = {"by_epoch": False, "max_iters": 90}
REFUSED: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]], type[Exception]]] = {
    "max_epoch": (
        "train_cfg",
        {"by_epoch": True, "max_epoch": 36},
        [("max_epoch", "did you mean train_cfg.max_epochs=36?")],
        TypeError,
    ),
    "beside the right one": (
        "train_cfg",
        {**EPOCHS, "val_intervall": 2},
        [("val_intervall", "did you mean train_cfg.val_interval=2?")],
        TypeError,
    ),
    "of the other loop": (
        "train_cfg",
        {"by_epoch": False, "max_epochs": 12},
        [("max_epochs", "set train_cfg.by_epoch=True, so that max_epochs is the length of the training")],
        TypeError,
    ),
    "left by a base": (
        "train_cfg",
        {**ITERATIONS, "max_epochs": 12},
        [("max_epochs", "remove max_epochs; train_cfg=dict(_delete_=True, ...) drops settings of the base")],
        TypeError,
    ),
    "like none": (
        "train_cfg",
        {**EPOCHS, "workflow": 1},
        [("workflow", "remove workflow; allowed settings: max_epochs, val_begin, val_interval, dynamic_intervals")],
        TypeError,
    ),
    "no length": ("train_cfg", {"by_epoch": False}, [("max_iters", "set train_cfg.max_iters")], TypeError),
    "no choice": (
        "train_cfg",
        {"max_epochs": 12},
        [("max_epochs", "set train_cfg.by_epoch=True, so that max_epochs is the length of the training")],
        TypeError,
    ),
    "by_epochs": (
        "train_cfg",
        {"max_epochs": 12, "by_epochs": True},
        [("by_epochs", "did you mean train_cfg.by_epoch=True?")],
        TypeError,
    ),
    "two choices": (
        "train_cfg",
        {"type": "EpochBasedTrainLoop", **EPOCHS},
        [
            (
                "by_epoch",
                "remove train_cfg.by_epoch or type; train_cfg=dict(_delete_=True, ...) drops settings of the base",
            )
        ],
        RuntimeError,
    ),
    "no such class": (
        "train_cfg",
        {"type": "EpochBasedTrainLop", "max_epochs": 12},
        [("type", "did you mean EpochBasedTrainLoop?")],
        KeyError,
    ),
    "of another scope": (
        "val_cfg",
        {"type": "TeacherStudentValLoop"},
        [("type", "did you mean mmdet.TeacherStudentValLoop?")],
        KeyError,
    ),
    "of a class that hands on": (
        "train_cfg",
        {"type": "Recording", "max_epochs": 12, "val_interva": 2},
        [("val_interva", "did you mean train_cfg.val_interval=2?")],
        TypeError,
    ),
    "validation": ("val_cfg", {"fp_16": True}, [("fp_16", "did you mean val_cfg.fp16=True?")], TypeError),
    "test": (
        "test_cfg",
        {"type": "TestLoop", "fp_16": True},
        [("fp_16", "did you mean test_cfg.fp16=True?")],
        TypeError,
    ),
}


@pytest.mark.parametrize(("key", "settings", "expected", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(key: str, settings: dict[str, Any], expected: list[tuple[str, str]], error: type[Exception]) -> None:
    findings = found(key, settings)
    assert [(finding.option, finding.fix) for finding in findings] == [
        (f"{key}.{option}", fix) for option, fix in expected
    ]
    unsure = key == "test_cfg" or settings.get("type") == "Recording"
    assert {finding.severity for finding in findings} == {"warning" if unsure else "error"}
    with pytest.raises(error):
        build(key, settings)


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        pytest.param("train_cfg", EPOCHS, id="epochs"),
        pytest.param("train_cfg", {"max_iters": 90}, id="iterations by default"),
        pytest.param(
            "train_cfg", {**ITERATIONS, "val_interval": 10, "dynamic_intervals": [(50, 1)]}, id="dynamic intervals"
        ),
        pytest.param("train_cfg", {"type": "IterBasedTrainLoop", "max_iters": 90}, id="iterations by type"),
        pytest.param("train_cfg", {"type": EpochBasedTrainLoop, "max_epochs": 3}, id="a class for a type"),
        pytest.param(
            "train_cfg", {"type": "Recording", "max_epochs": 12, "note": "mine", "val_begin": 2}, id="a loop of its own"
        ),
        pytest.param("val_cfg", {}, id="val by default"),
        pytest.param("val_cfg", {"type": "TeacherStudentValLoop", "_scope_": "mmdet"}, id="scope beside"),
        pytest.param("val_cfg", {"type": "mmdet.TeacherStudentValLoop"}, id="scope in the type"),
        pytest.param("val_cfg", {"type": "Taking", "tag": "anything"}, id="any option"),
        pytest.param("test_cfg", {"fp16": True}, id="test in fp16"),
    ],
)
def test_accepted(key: str, settings: dict[str, Any]) -> None:
    assert found(key, settings) == ()
    build(key, settings)


def test_a_class_of_the_default_scope() -> None:
    settings = {"type": "TeacherStudentValLoop"}
    assert found("val_cfg", settings, default_scope="mmdet") == ()
    with DefaultScope.overwrite_default_scope("mmdet"):
        build("val_cfg", settings)
