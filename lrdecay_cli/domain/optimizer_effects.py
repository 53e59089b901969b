"""Records of how an optimizer class uses the lr and weight decay of its groups, measured in real steps.

A measurement uses two groups with equal weights and equal gradients. One group has a tenth of the other group's lr.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

LrUse = Literal["followed", "distorted", "first group's", "ignored", "refused", "not measured"]
"""The size of a step in the group with a tenth of the lr, compared with the step in the other group.

=============  ==================================================================================================
use            step in the group with a tenth of the lr
=============  ==================================================================================================
followed       a tenth of the step in the other group, at the first step and later
distorted      another fraction of the step in the other group, see ``ratios``
first group's  as large as the step in the other group: the optimizer uses the first group's lr for both groups
ignored        as large as the step in the other group, and as large as before if both lrs are divided by ten
refused        the optimizer raises an exception if the lrs differ
not measured   the optimizer takes no step
=============  ==================================================================================================
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

===============================  =====================================================================================
use                              what weight decay subtracts from the weight
===============================  =====================================================================================
lr × weight decay                lr × weight decay × weight; a layer decay of the lr also reduces this amount
weight decay alone               weight decay × weight, at any lr
in the gradient                  nothing directly: the optimizer adds weight decay × weight to the gradient
in the adaptive gradient         nothing directly: weight decay × weight is added to the gradient and normalised with it
lr × RMS(weight) × weight decay  lr × RMS(weight) × weight decay × weight
lr² ÷ highest lr × weight decay  (lr² ÷ highest lr) × weight decay × weight; a layer decay of the lr counts twice
lr ÷ first lr × weight decay     (lr ÷ first lr) × weight decay × weight; the first lr is the lr at construction
lr × a factor × weight decay     lr × factor × weight decay × weight; the optimizer sets the factor (Prodigy's ``d``)
first group's                    an amount that depends on the first group's weight decay, in all groups
ignored                          nothing, although the group has a weight decay
===============================  =====================================================================================
"""

AtZero = Literal["stands still", "decays", "trains", "refused", "not measured"]
"""What happens to a group at lr 0 while another group has a positive lr. ``decays``: only weight decay changes it."""

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
    """Version of the measured distribution."""
    lr: LrUse
    decay: DecayUse
    at_zero: AtZero
    norm: NormUse
    ratios: tuple[tuple[int, float], ...] = ()
    """Pairs of a step number (from 1) and a ratio.

    The ratio is the size of this step in the group with a tenth of the lr, divided by the size in the other group.
    """
    refusals: tuple[Refusal, ...] = ()
    halved: float | None = None
    """Size of a step after a scheduler halves every lr, divided by the size of the same step with the old lrs.

    0.5 means that the optimizer uses a new lr at once, or within a hundred steps.
    """
    rewrites_lr: bool = False
    """True if the optimizer's step assigns ``group['lr']``."""
    options: Mapping[str, Any] = {}
    """The optimizer's options in the measurement. All options that are not listed have their defaults."""

    @property
    def label(self) -> str:
        """The measured class with distribution and version: ``Rprop (torch 2.13.0)``."""
        return f"{self.name} ({self.distribution} {self.version})" if self.distribution else self.name

    def refusal(self, demand: Demand) -> Refusal | None:
        """Return the exception that the optimizer raises if the requirement ``demand`` is not met.

        None if the optimizer does not have this requirement.
        """
        return next((refusal for refusal in self.refusals if refusal.demand == demand), None)
