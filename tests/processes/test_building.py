"""What a child makes of a config, whatever it is: always a record, never an exception."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.domain.scan import ScanRecord
from lrdecay_cli.processes.building import Built, build
from tests.hardening.odd_configs import ORDINARY

OWN = """
import torch
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.optim import DefaultOptimWrapperConstructor

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class Own(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        super().add_params(params, module, **kwargs)
        {does}
"""
# What the constructor does at its end, and what the record says.
BUILT = {
    "an infinite lr": ("params and params[0].update(lr=float('inf'))", "is inf, which JSON cannot hold"),
    "too little memory": ("raise MemoryError", "constructor fails: MemoryError"),
    "an exception": ("raise ArithmeticError('odd')", "constructor fails: ArithmeticError: odd"),
    "nothing": ("pass", ""),
}


@pytest.fixture
def quiet_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit hook cannot be taken back from the process that runs the tests."""
    monkeypatch.setattr("lrdecay_cli.processes.building.noting", lambda: dict)


@pytest.mark.usefixtures("quiet_hooks")
@pytest.mark.parametrize("case", BUILT)
def test_every_config_has_a_record(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    does, said = BUILT[case]
    name = f"own_{case.replace(' ', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN.replace("{does}", does))
    monkeypatch.syspath_prepend(str(tmp_path))
    config = tmp_path / "config.py"
    config.write_text(f"custom_imports = dict(imports=[{name!r}])\n{ORDINARY}optim_wrapper['constructor'] = 'Own'\n")
    built = build(str(config), (), "meta", verbose=False)
    assert built.record.config == str(config)
    if said:
        assert (built.record.status, built.group_map) == ("error", None)
        assert said in built.record.problem
        assert "\n" not in built.record.problem
    else:
        assert built.record.status == "ok"
        assert built.group_map is not None


@pytest.mark.usefixtures("quiet_hooks")
def test_a_fault_of_our_own_is_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("by\ndesign")

    monkeypatch.setattr("lrdecay_cli.openmmlab.audit.audit", broken)
    problem = "internal error: RuntimeError: by design"
    assert build("a.py", (), "cpu", verbose=False) == Built(ScanRecord(config="a.py", status="error", problem=problem))
