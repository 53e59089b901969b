"""Records of how an optimizer class uses the lr and weight decay of its groups, measured in real steps.

A measurement uses two groups with equal weights and equal gradients. One group has a tenth of the other group's lr.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

LrUse = Literal["followed", "distorted", "first group's", "ignored", "refused", "not measured"]
"""How far the group at a tenth of the lr moves, compared with the other group.

=============  =========================================================================================
use            the group at a tenth of the lr
=============  =========================================================================================
followed       moves a tenth as far, in the first step and later
distorted      moves by another factor: ``ratios``
first group's  moves as far as the other group: the optimizer uses the first group's lr for both groups
ignored        moves as far as the other group; a tenth of both lrs changes nothing
refused        the optimizer raises
not measured   the optimizer takes no step
=============  =========================================================================================
"""

DecayUse = Literal[
    "lr × weight decay",
    "weight decay alone",
    "in the gradient",
    "in the adaptive gradient",
    "lr × RMS(weight) × weight decay",
    "lr² ÷ highest lr × weight decay",
    "lr ÷ first lr × weight decay",
    "lr × a factor × weight decay",
    "in another way",
    "first group's",
    "ignored",
    "not measured",
]
"""How weight decay changes a weight in one step.

===============================  =============================================================================
use                              how far weight decay pulls the weight toward zero
===============================  =============================================================================
lr × weight decay                by this fraction of the weight: layer decay reduces it too
weight decay alone               by this fraction of the weight, at any lr
in the gradient                  weight decay × weight is added to the gradient
in the adaptive gradient         the same; the optimizer then normalises the gradient, which removes its size
lr × RMS(weight) × weight decay  by this fraction of the weight
lr² ÷ highest lr × weight decay  by this fraction of the weight: layer decay counts twice
lr ÷ first lr × weight decay     by this fraction of the weight; the first lr is the lr at construction
lr × a factor × weight decay     by this fraction of the weight; the optimizer sets the factor (Prodigy's ``d``)
first group's                    the optimizer uses the first group's weight decay for all groups
ignored                          not at all, although the group has a weight decay
===============================  =============================================================================
"""

AtZero = Literal["stands still", "decays", "trains", "refused", "not measured"]
"""What happens to a group at lr 0 while another group has a positive lr. ``decays``: only weight decay moves it."""

NormUse = Literal["no", "always", "with weight decay", "not measured"]
"""Whether a step grows with the norm of the weights. If so, groups with equal lrs can take steps of different sizes."""

Demand = Literal[
    "one group", "one lr", "2-D tensors", "sparse gradients", "a closure", "train()", "no further keys", "unknown"
]
"""A requirement of an optimizer: certain tensors or groups, or a call that mmengine does not make.

If the requirement is not met, the optimizer raises an exception.
"""


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An exception that an optimizer raises because a requirement is not met."""

    demand: Demand
    when: Literal["construction", "first step"]
    error: str
    """Class and first line of the exception."""


class OptimizerEffects(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The measured effects of one optimizer class with certain options."""

    module: str
    """The module that defines the class."""
    name: str
    """The class name."""
    distribution: str
    """The distribution that contains the class. Empty for a project's own class."""
    version: str
    """Version of the distribution that was measured."""
    lr: LrUse
    decay: DecayUse
    at_zero: AtZero
    norm: NormUse
    ratios: tuple[tuple[int, float], ...] = ()
    """Pairs of step and ratio. Steps count from 1. The ratio is the movement of the group at a tenth of the lr, divided
    by the movement of the other group.
    """
    refusals: tuple[Refusal, ...] = ()
    halved: float | None = None
    """Movement after every lr is halved, divided by the movement without this change.

    0.5 means that a new lr acts at once or within a hundred steps.
    """
    rewrites_lr: bool = False
    """True if the optimizer's step assigns ``group['lr']``."""
    options: Mapping[str, Any] = {}
    """The options of the measurement. All other options have their defaults."""

    @property
    def label(self) -> str:
        """The measured class with distribution and version: ``Rprop (torch 2.13.0)``."""
        return f"{self.name} ({self.distribution} {self.version})" if self.distribution else self.name

    def refusal(self, demand: Demand) -> Refusal | None:
        """Return the exception that the optimizer raises if the requirement ``demand`` is not met.

        None if the optimizer does not have this requirement.
        """
        return next((refusal for refusal in self.refusals if refusal.demand == demand), None)
