"""The first time that a scheduler with a metric can lower the lr, compared with mmengine's own Runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS, MODELS

from tests.dry_run.test_command import dry_run
from tests.dry_run.test_schedule_truth import scheduled
from tests.dry_run.test_truth import saved
from tests.dry_run.trainings import BASE, ITERATIONS, DryToy, train


@MODELS.register_module(force=True)
class DryPredicting(DryToy):
    """A model with validation."""

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "loss") -> Any:
        return super().forward(inputs, data_samples, mode) if mode == "loss" else [0.0]


@METRICS.register_module(force=True)
class DryConstantMetric(BaseMetric):  # type: ignore[misc]
    """A metric that never improves."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(1.0)

    def compute_metrics(self, results: Any) -> dict[str, float]:
        return {"loss": 1.0}


def config_of(plateau: dict[str, Any], loop: dict[str, Any]) -> Config:
    loader = BASE["train_dataloader"]
    if not loop.get("by_epoch", True):
        loader = dict(loader, sampler=dict(type="InfiniteSampler", shuffle=False))
    return Config(
        {
            **BASE,
            "custom_imports": dict(imports=[*BASE["custom_imports"]["imports"], __name__]),
            "model": dict(type="DryPredicting"),
            "param_scheduler": [dict(type="ReduceOnPlateauLR", monitor="loss", factor=0.5, **plateau)],
            "train_dataloader": loader,
            "train_cfg": {"by_epoch": True, "max_epochs": 10, **loop} if loop.get("by_epoch", True) else loop,
            "val_dataloader": BASE["train_dataloader"],
            "val_cfg": {},
            "val_evaluator": dict(type="DryConstantMetric"),
        }
    )


@pytest.mark.parametrize(
    ("plateau", "loop", "drop"),
    [
        (dict(patience=1), {}, 3),
        (dict(patience=-1), {}, 1),
        (dict(patience=1, begin=4), {}, 6),
        (dict(patience=1, begin=3), dict(val_interval=2), 8),
        (dict(patience=1, end=100), dict(val_interval=3, val_begin=4), 12),
        # By default, mmengine ends it with the training.
        (dict(patience=20), {}, None),
        (dict(patience=1, end=3), {}, None),
        (dict(patience=1, rule="greater"), {}, 3),
        # No number is lower than infinity times 0, so the first metric is no improvement either.
        (dict(patience=1, threshold=1.0), {}, 2),
        (dict(patience=1), dict(dynamic_intervals=[(2, 3)]), None),
        (dict(patience=1), dict(by_epoch=False, max_iters=20, val_interval=2), 6),
        (dict(patience=1, begin=1, end=9), dict(by_epoch=False, max_iters=20, val_interval=2), None),
    ],
)
def test_the_first_drop_is_as_in_the_real_training(
    plateau: dict[str, Any],
    loop: dict[str, Any],
    drop: int | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = saved(config_of(plateau, loop), tmp_path)
    lrs = train(config, tmp_path / "real").lrs
    by_epoch = loop.get("by_epoch", True)
    lowered = [iteration for iteration in lrs if lrs[iteration] != lrs[0]]
    size, last = (ITERATIONS, 10) if by_epoch else (1, 20)
    if "dynamic_intervals" not in loop:
        assert lowered[:1] == ([] if drop is None or drop >= last else [drop * size])
    document = scheduled(tmp_path, "--iters-per-epoch", str(ITERATIONS))
    assert document["schedulers"][0]["first_drop"] == drop
    capsys.readouterr()
    _, out, _ = dry_run(capsys, tmp_path / "config.py", "--iters-per-epoch", str(ITERATIONS), "--format", "json")
    (named,) = json.loads(out)["in_validation"]
    unit = "epoch" if by_epoch else "iteration"
    note = f", from {unit} {drop} on if the metric never improves"
    late = f", but the training ends at {unit} {last}" if drop is not None and drop >= last else ""
    assert (
        named["reason"]
        == f"the scheduler lowers the lr when the validation metric stops improving{note + late if drop else ''}"
    )
