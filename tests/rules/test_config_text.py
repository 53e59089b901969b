"""Values of a config for which mmengine cannot write it, compared with mmengine's Runner, which writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from msgspec import UNSET
from torch import nn

from lrdecay_cli.openmmlab.build_context import fresh_managers
from lrdecay_cli.openmmlab.config_facts import training_of

LAZY = "from torch.optim import SGD\noptim_wrapper = dict(optimizer=dict(type=SGD, lr=0.1))\n"
TEXT = "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))\n"
CONFIGS = {
    "lazy": (LAZY, None),
    "lazy with a def": (f"{LAZY}def scale(lr):\n    return lr\n", ("scale",)),
    "lazy with a lambda in a list": (f"{LAZY}scales = [1, lambda lr: lr]\n", ("scales.1",)),
    "lazy with numbers of all kinds": (f"{LAZY}a = dict(b=(1, 2.5, None, True), c={{'x': -1}}, d=1 + 2j)\n", None),
    "text with a def": (f"{TEXT}def scale(lr):\n    return lr\n", None),
    "text with a lambda in a dict": (f"{TEXT}scales = dict(first=lambda lr: lr)\n", ("scales.first",)),
    "text with a class": (f"{TEXT}import fractions\nlayer = dict(type=fractions.Fraction)\n", None),
    "text with an import": (f"{TEXT}import math\npi = math.pi\n", None),
}


@pytest.mark.parametrize(("text", "unwritable"), CONFIGS.values(), ids=CONFIGS)
def test_values_for_which_the_runner_raises(text: str, unwritable: tuple[str, ...] | None, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(text)
    config = Config.fromfile(str(tmp_path / "config.py"))
    assert training_of(config, None).unwritable == (unwritable or UNSET)
    with fresh_managers():
        if unwritable:
            with pytest.raises(SyntaxError):
                Runner(model=nn.Linear(1, 1), work_dir=str(tmp_path / "runs"), cfg=config, experiment_name="text")
        else:
            Runner(model=nn.Linear(1, 1), work_dir=str(tmp_path / "runs"), cfg=config, experiment_name="text")
