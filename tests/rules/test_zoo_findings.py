"""Findings for MMDetection's zoo: a golden table. A sample is checked again, or all rows with ``--whole-zoo``.

Every ``error`` in the table was reviewed and is a mistake of the config; the errors are named below.
"""

from __future__ import annotations

import pytest

from lrdecay_cli.openmmlab.audit import audit
from tests.golden import Golden
from tests.openmmlab.zoo import spread
from tests.rules.zoo import FOUND, built_rows, configs, rows_of, statistics

STEP = 60
# Real mistakes of the zoo: milestones after the end of the scheduler from a base, so the lr never drops; a train_cfg
# with type and by_epoch, one of them from a base, for which mmengine's Runner raises.
MISTAKES = {
    "faster_rcnn/faster-rcnn_r50-caffe-dc5_ms-3x_coco.py": "LRD603",
    "faster_rcnn/faster-rcnn_r50-caffe_fpn_ms-2x_coco.py": "LRD603",
    "mask_rcnn/mask-rcnn_r50-caffe_fpn_ms-poly-3x_coco.py": "LRD603",
    "solov2/solov2-light_r18_fpn_ms-3x_coco.py": "LRD512",
    "solov2/solov2-light_r34_fpn_ms-3x_coco.py": "LRD512",
    "solov2/solov2-light_r50-dcn_fpn_ms-3x_coco.py": "LRD512",
    "solov2/solov2-light_r50_fpn_ms-3x_coco.py": "LRD512",
    "strong_baselines/mask-rcnn_r50-caffe_fpn_rpn-2conv_4conv1fc_syncbn-all_lsj-400e_coco.py": "LRD603",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "config" in metafunc.fixturenames:
        everything = built_rows()
        chosen = everything if metafunc.config.getoption("--whole-zoo") else spread(everything, STEP)
        metafunc.parametrize("config", [row.config for row in chosen])


def test_findings_are_the_golden_ones(config: str, golden: Golden) -> None:
    golden.check_rows(FOUND, config, rows_of(audit(config, device="meta")))


def test_every_error_of_the_zoo_was_looked_at() -> None:
    errors = {(config, code) for config, code, severity, _ in FOUND.rows() if severity == "error"}
    assert errors == {(f"mmdet::{config}", code) for config, code in MISTAKES.items()}


def test_the_zoo_is_quiet_where_it_is_right() -> None:
    loud = {config for config, _, severity, _ in FOUND.rows() if severity != "info"}
    assert len(loud) < len(configs()) / 10, statistics(FOUND.rows())
