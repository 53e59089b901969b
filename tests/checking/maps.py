"""Maps for check: a wrong map with a finding of LRD301, and its corrected version."""

from __future__ import annotations

from pathlib import Path

from lrdecay_cli.domain.group_map import ConfigSource, GroupMap
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.files import to_json
from tests.group_maps import group_map

FAST = ("backbone.stages.2.1.weight", "backbone.stages.2.2.weight", "backbone.stages.2.2.bias")


def decay_map(*, wrong: bool = False, config: str = "configs/a.py", lr: float = 0.1) -> GroupMap:
    """Return three groups of a decay constructor; with ``wrong``, the second trains at twice the base lr."""
    scale = 2.0 if wrong else 0.7
    groups = {
        "layer_0_decay": {
            "layer_id": 0,
            "lr_scale": 0.49,
            "lr": lr * 0.49,
            "parameters": {"backbone.stem.weight": (4,)},
        },
        "layer_1_decay": {"layer_id": 1, "lr_scale": scale, "lr": lr * scale, "parameters": dict.fromkeys(FAST, (4,))},
        "layer_2_decay": {"layer_id": 2, "lr_scale": 1.0, "lr": lr, "parameters": {"head.weight": (4,)}},
    }
    return group_map(
        groups,
        frozen={"neck.frozen.weight": (2,)},
        base_lr=lr,
        config=ConfigSource(config, "0" * 64, {}),
        constructor=Constructor("LearningRateDecayOptimizerConstructor", {"decay_rate": 0.7, "num_layers": 1}),
    )


def write(path: Path, found: GroupMap) -> str:
    """Write a map and return its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(found), encoding="utf-8")
    return str(path)
