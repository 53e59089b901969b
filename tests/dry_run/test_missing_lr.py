"""Groups without an lr: mmengine's own Runner fails before its first step, and every command reports it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.dry_run.trainings import BASE, STEPS, WARM_UP, train

PLUGIN = """\
import torch
from mmengine.registry import OPTIMIZERS

@OPTIMIZERS.register_module(force=True)
class NoLrAtAll(torch.optim.SGD):
    def __init__(self, params, **kwargs):
        super().__init__(params, **kwargs)
        for group in self.param_groups:
            del group['lr']
"""
MOMENTUM = dict(type="ConstantMomentum", factor=0.5, end=2)
CASES: dict[str, tuple[dict[str, Any], Any, type[Exception] | None, str]] = {
    "scheduled": (dict(type="Adafactor"), [WARM_UP, STEPS], TypeError, "LinearLR at param_scheduler[0]"),
    "logged": (dict(type="Adafactor"), None, AssertionError, "mmengine's RuntimeInfoHook"),
    "no key": (dict(type="NoLrAtAll", lr=0.1), [STEPS], KeyError, "MultiStepLR at param_scheduler[0]"),
    "no key, logged": (dict(type="NoLrAtAll", lr=0.1), [], KeyError, "mmengine's RuntimeInfoHook"),
    "given": (dict(type="Adafactor", lr=1e-3, relative_step=False), [WARM_UP, STEPS], None, ""),
    "another parameter is scheduled": (dict(type="SGD", lr=0.1, momentum=0.9), [MOMENTUM], None, ""),
}


@pytest.mark.parametrize(("optimizer", "schedulers", "error", "reader"), CASES.values(), ids=CASES)
def test_a_group_without_lr(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    optimizer: dict[str, Any],
    schedulers: Any,
    error: type[Exception] | None,
    reader: str,
) -> None:
    (tmp_path / "missing_lr_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    imports = dict(imports=[*BASE["custom_imports"]["imports"], "missing_lr_plugin"])
    config = Config(
        {**BASE, "custom_imports": imports, "optim_wrapper": dict(optimizer=optimizer), "param_scheduler": schedulers}
    )
    path = tmp_path / "config.py"
    config.dump(path)
    group_map = audit(str(path))
    found = [finding for finding in findings_of(group_map, RULES) if finding.code == "LRD825"]
    if error is None:
        assert train(config, tmp_path / "real").lrs
        assert found == []
        assert run(["dry-run", str(path), "--iters-per-epoch", "5"]) == 0
        return
    with pytest.raises(error):
        train(config, tmp_path / "real")
    (finding,) = found
    message = f"group_0 has no lr, but {reader} needs it: training stops before the first step"
    assert finding.message == message
    assert ("relative_step=False" in finding.fix) is (optimizer["type"] == "Adafactor")
    assert run(["dry-run", str(path), "--iters-per-epoch", "5"]) == 2
    assert capsys.readouterr().err == f"lrdecay: {path}: {message}; {finding.fix}\n"
    if schedulers:
        assert run(["schedule", str(path), "--iters-per-epoch", "5"]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("custom_keys=dict(head=dict(lr_mult=10.))", "lr_mult of 'head'"),
        ("custom_keys=dict(nowhere=dict(lr_mult=10.), backbone=dict(decay_mult=0.))", "the custom key 'backbone'"),
        ("bias_lr_mult=2.", "bias_lr_mult"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "dry-run"])
def test_an_lr_multiplier_without_an_lr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, options: str, reason: str
) -> None:
    path = tmp_path / "config.py"
    Config(BASE).dump(path)
    wrapper = f"optim_wrapper = dict(optimizer=dict(type='AdamW', weight_decay=0.1), paramwise_cfg=dict({options}))"
    path.write_text(f"{path.read_text()}\n{wrapper}\n")
    assert run([command, str(path), *(["--iters-per-epoch", "5"] if command == "dry-run" else [])]) == 2
    problem = f"{reason} has no base lr to multiply; set optim_wrapper.optimizer.lr"
    assert capsys.readouterr().err == f"lrdecay: {path}: {problem}\n"
