"""The table of effects equals measurements of real optimizers."""

from __future__ import annotations

import fcntl
from pathlib import Path

import msgspec
import pytest
import torch
from msgspec.structs import replace

import lrdecay_cli.optimizers
from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.openmmlab.optimizer_effects import effects_in
from lrdecay_cli.optimizers import TABLE, effects_of, table
from tests.golden import Golden
from tests.optimizers.cases import ALWAYS, ON_REQUEST

PATH = Path(lrdecay_cli.optimizers.__file__).with_name(TABLE)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "distribution" in metafunc.fixturenames:
        on_request = ON_REQUEST if metafunc.config.getoption("--optimizer-packages") else ()
        metafunc.parametrize("distribution", [*ALWAYS, *on_request])


def test_rows_are_as_measured(distribution: str, golden: Golden) -> None:
    found = [case.measured() for case in {**ALWAYS, **ON_REQUEST}[distribution]]
    if golden.update:
        write(distribution, found)
    else:
        assert found == [row for row in table() if row.distribution == distribution]


def write(distribution: str, found: list[OptimizerEffects]) -> None:
    """Replace the rows of a distribution with ``found``, one line each."""
    with PATH.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        rows = msgspec.json.decode(file.read(), type=list[OptimizerEffects])
        remaining = [row for row in rows if row.distribution != distribution] + found
        lines = [msgspec.json.encode(row).decode() for row in sorted(remaining, key=lambda row: row.distribution)]
        file.seek(0)
        file.truncate()
        file.write("[\n" + ",\n".join(lines) + "\n]\n")


def test_options_choose_the_row() -> None:
    coupled, decoupled = (
        effects_of("torch.optim.adam", "Adam", {"decoupled_weight_decay": given}) for given in (False, True)
    )
    assert coupled is not None
    assert decoupled is not None
    assert (coupled.decay, decoupled.decay) == ("in the adaptive gradient", "lr × weight decay")


def test_a_class_of_the_same_name_elsewhere_is_another() -> None:
    assert effects_of("plugin", "AdamW") is None


def test_another_version_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    (known,) = effects_in({"": optimizer}, {}).values()
    assert (known.distribution, known.version) == ("torch", torch.__version__.partition("+")[0])
    monkeypatch.setattr("lrdecay_cli.openmmlab.optimizer_effects.effects_of", lambda *_: replace(known, version="1.0"))
    (measured,) = effects_in({"": optimizer}, {}).values()
    assert measured == known


class CubeRoot(torch.optim.SGD):
    """Moves by lr^(1/3), and keeps that option if no group sets it."""

    def __init__(self, params: list[torch.Tensor], lr: float, power: float = 1 / 3) -> None:
        super().__init__(params, lr=lr)
        self.power = power

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        lrs = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] = group["lr"] ** self.power
        super().step(closure)
        for group, lr in zip(self.param_groups, lrs, strict=True):
            group["lr"] = lr


def test_a_class_of_a_project_is_measured_without_touching_the_optimizer_or_random_numbers() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = CubeRoot([weight], lr=0.1)
    state = torch.random.get_rng_state()
    (measured,) = effects_in({"": optimizer}, {}).values()
    assert (measured.lr, measured.ratios[0]) == ("distorted", (1, 0.464))
    assert (measured.module, measured.distribution, measured.decay) == (__name__, "", "in the gradient")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not optimizer.state
    assert torch.equal(weight, torch.ones(2))


def test_options_that_no_group_has_are_the_config_s() -> None:
    optimizer = CubeRoot([torch.nn.Parameter(torch.ones(2))], lr=0.1, power=1.0)
    (measured,) = effects_in({"": optimizer}, {"": {"type": "CubeRoot", "lr": 0.1, "power": 1.0}}).values()
    assert (measured.lr, measured.norm) == ("followed", "no")


def test_a_class_whose_twin_does_not_build_is_left_out() -> None:
    class Demanding(torch.optim.SGD):
        def __init__(self, params: list[torch.Tensor], model: object) -> None:
            super().__init__(params)

    assert effects_in({"": Demanding([torch.nn.Parameter(torch.ones(2))], object())}, {}) == {}
