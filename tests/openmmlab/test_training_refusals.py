"""What builds here and would not in training is an error: our constructor unimported, unknown options of AMP."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules.registry import BASE

OURS = "optim_wrapper = dict(constructor='LayerDecayOptimWrapperConstructor', paramwise_cfg=dict(decay_rate=0.7))"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "base.py").write_text(BASE)
    return tmp_path / "config.py"


def test_our_constructor_has_to_be_imported(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lrdecay_cli.training", raising=False)
    text = f"_base_ = 'base.py'\n{OURS.replace('decay_rate', '_delete_=True, decay_rate')}\n"
    config.write_text(text)
    with pytest.raises(LrdecayError) as raised:
        audit(str(config))
    assert "LayerDecayOptimWrapperConstructor is not imported" in raised.value.line()
    assert "custom_imports = dict(imports=['lrdecay_cli.training'])" in raised.value.line()


@pytest.mark.parametrize(
    ("option", "refused"),
    [
        ("dtype='float16'", False),
        ("loss_scale=512.0", False),
        ("accumulative_counts=4", False),
        ("accumulative_count=4", True),
    ],
)
def test_options_of_a_wrapper_that_needs_a_gpu(config: Path, option: str, refused: bool) -> None:
    config.write_text(f"_base_ = 'base.py'\noptim_wrapper = dict(type='AmpOptimWrapper', {option})\n")
    if not refused:
        assert audit(str(config)).optimizer.wrapper == "AmpOptimWrapper"
        return
    with pytest.raises(LrdecayError, match="accumulative_count"):
        audit(str(config))
