"""How every optimizer of torch uses the lr and weight decay of its groups: measured, and compared with its source."""

from __future__ import annotations

import pytest
import torch
from mmpretrain.engine import LARS

from lrdecay_cli.openmmlab.dry_run.effects import measured, shrink
from lrdecay_cli.optimizers import table

# Source: torch 2.13.0, torch/optim/*.py: the code adds weight decay to the gradient, or multiplies weights by 1 - lr *
# weight_decay.
IN_THE_GRADIENT = ("SGD", "ASGD")
ADAPTIVE = ("Adadelta", "Adagrad", "Adam", "Adamax", "NAdam", "RAdam", "RMSprop")
DECOUPLED = ("AdamW", "Adafactor", "Muon")
REFUSES = {
    "LBFGS": (ValueError, "parameter groups"),
    "SparseAdam": (RuntimeError, "dense gradients"),
}
EVERY = [
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
]


def built(name: str, **options: float) -> torch.optim.Optimizer:
    """Two groups with one lr each, 1 and 0.1, and a weight decay if the class has one."""
    groups = [{"params": [torch.nn.Parameter(torch.randn(64, 32))], "lr": lr, **options} for lr in (1e-2, 1e-3)]
    return getattr(torch.optim, name)(groups, lr=1e-2)


def test_every_optimizer_has_its_row() -> None:
    assert {*EVERY} == {*IN_THE_GRADIENT, *ADAPTIVE, *DECOUPLED, *REFUSES, "Rprop"}


@pytest.mark.parametrize("name", [*IN_THE_GRADIENT, *ADAPTIVE, *DECOUPLED])
def test_steps_follow_the_lr_and_weight_decay_pulls(name: str) -> None:
    optimizer = built(name, weight_decay=0.05)
    shrink([optimizer])
    fast, slow = measured(optimizer)
    assert (fast.step, fast.expected) == (1.0, 1.0)
    assert slow.expected == pytest.approx(0.1)
    assert slow.step == pytest.approx(0.1, rel=0.01)
    assert not slow.deviates
    coupled = "in the gradient" if name in IN_THE_GRADIENT else "in the adaptive gradient"
    decay = "lr × weight decay" if name in DECOUPLED else coupled
    assert {fast.decay, slow.decay} == {decay}
    (row,) = (row for row in table() if (row.distribution, row.name, row.options) == ("torch", name, {}))
    assert row.decay == decay


def test_radam_that_decouples_weight_decay_takes_plain_steps_at_first() -> None:
    """Before its sixth step (``rho_t > 5``), a step is lr × gradient, as large as lr × weight decay × weight."""
    optimizer = built("RAdam", weight_decay=0.05, decoupled_weight_decay=True)
    shrink([optimizer])
    assert {effect.decay for effect in measured(optimizer)} == {"lr × weight decay"}


def test_a_weight_decay_at_lr_zero_is_not_called_ignored() -> None:
    optimizer = built("AdamW", weight_decay=0.05)
    optimizer.param_groups[1].update(lr=0.0)
    shrink([optimizer])
    assert [effect.decay for effect in measured(optimizer)] == ["lr × weight decay", "not measured"]


def test_rprop_takes_a_weight_decay_and_ignores_it() -> None:
    optimizer = built("Rprop", weight_decay=0.05)
    shrink([optimizer])
    assert {effect.decay for effect in measured(optimizer)} == {"ignored"}


@pytest.mark.parametrize("name", REFUSES)
def test_some_refuse(name: str) -> None:
    kind, message = REFUSES[name]
    with pytest.raises(kind, match=message):
        measured(built(name))


def test_a_step_that_does_not_follow_the_lr_deviates() -> None:
    class CubeRoot(torch.optim.SGD):
        def step(self, closure: None = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                group["lr"] = group["lr"] ** (2 / 3)
            super().step()

    groups = [{"params": [torch.nn.Parameter(torch.randn(4, 4))], "lr": lr} for lr in (1e-2, 1e-3)]
    fast, slow = measured(CubeRoot(groups, lr=1e-2))
    assert slow.step == pytest.approx(0.1 ** (2 / 3), rel=1e-3)
    assert (fast.deviates, slow.deviates) == (False, True)


def test_measuring_leaves_the_optimizer_as_it_is() -> None:
    optimizer = built("Adam", weight_decay=0.05)
    shrink([optimizer])
    before = [group["params"][0].detach().clone() for group in optimizer.param_groups]
    measured(optimizer)
    assert not optimizer.state
    assert all(torch.equal(group["params"][0], was) for group, was in zip(optimizer.param_groups, before, strict=True))


def test_state_outside_the_groups_is_measured_too() -> None:
    """mmpretrain's LARS stores eps on the instance, and scales a step by the norm of the weights."""
    groups = [{"params": [torch.nn.Parameter(torch.randn(4, 4))], "lr": lr} for lr in (1e-2, 1e-3)]
    optimizer = LARS(groups, lr=1e-2, weight_decay=0.0)
    shrink([optimizer])
    fast, slow = measured(optimizer)
    assert (fast.step, slow.step) == (1.0, pytest.approx(0.1, rel=1e-3))
