"""Settings of MMCV 1 beside those of mmengine: every answer that they would change says that nobody reads them."""

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
def test_what_mmcv_1_read_is_told(
    command: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.py").write_text(BASE + text)
    assert run([*command, "config.py"]) == 0
    warning = "warning: optimizer, lr_config are of mmcv 1, and mmengine reads none of it: lrdecay check config.py\n"
    assert (warning in capsys.readouterr().out) is bool(text)
