"""MMCV 1 settings beside those of mmengine: every report that they would change states that mmengine ignores them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.rules.registry import BASE

OLD = (
    "optimizer = dict(type='AdamW', lr=0.1)\noptimizer_config = dict(grad_clip=None)\n"
    "lr_config = dict(policy='step', step=[8, 11])\n"
)


@pytest.mark.parametrize("command", [["suggest"], ["schedule", "--iters-per-epoch", "10"]])
@pytest.mark.parametrize("text", [OLD, ""])
def test_keys_of_mmcv_1_are_reported(
    command: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.py").write_text(BASE + text)
    assert run([*command, "config.py"]) == 0
    out = capsys.readouterr().out
    # With the message of lrdecay check, and the mmengine settings to use.
    for warning in (
        "mmengine ignores optimizer, which conflicts with optim_wrapper.optimizer",
        "mmengine ignores lr_config\n",
    ):
        assert (f"warning: LRD510 option-misplaced: {warning}" in out) is bool(text)
    assert ("fix: replace it by: param_scheduler=[dict(type='MultiStepLR', milestones=[8, 11]" in out) is bool(text)
