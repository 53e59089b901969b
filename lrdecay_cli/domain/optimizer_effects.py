"""The measured effect of lr and weight decay on the groups of an optimizer class, from real steps.

A measurement uses two groups with equal weights and equal gradients, one at a tenth of the other's lr.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

LrUse = Literal["followed", "distorted", "first group's", "ignored", "refused", "not measured"]
"""How far a group moves with its lr.

=============  =========================================================================================
use            the group at a tenth of the lr
=============  =========================================================================================
followed       moves a tenth as far, in the first step and later
distorted      moves by another factor: ``ratios``
first group's  moves as far as the first group does
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
"""What pulls a weight toward zero.

===============================  =============================================================================
use                              the pull
===============================  =============================================================================
lr × weight decay                of the weight: layer decay reduces it too
weight decay alone               of the weight, whatever the lr
in the gradient                  weight decay × weight is added to the gradient
in the adaptive gradient         likewise, and a normalisation takes its size away
lr × RMS(weight) × weight decay  of the weight
lr² ÷ highest lr × weight decay  of the weight: layer decay counts twice
lr ÷ first lr × weight decay     of the weight; the first lr is the one that the optimizer was built with
lr × a factor × weight decay     of the weight; the factor is the optimizer's own, such as Prodigy's ``d``
first group's                    uses the first group's weight decay for all groups
ignored                          is none, although the group has a weight decay
===============================  =============================================================================
"""

AtZero = Literal["stands still", "decays", "trains", "refused", "not measured"]
"""The behaviour of a group at lr 0 beside a group with another lr; ``decays``: only weight decay moves it."""

NormUse = Literal["no", "always", "with weight decay", "not measured"]
"""Whether a step grows with the norm of the weights. If so, groups with equal lrs move by different factors."""

Demand = Literal[
    "one group", "one lr", "2-D tensors", "sparse gradients", "a closure", "train()", "no further keys", "unknown"
]
"""A requirement of an optimizer, which raises without it: certain tensors or groups, or a call that mmengine lacks."""


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An exception of the optimizer."""

    demand: Demand
    when: Literal["construction", "first step"]
    error: str
    """Class and first line of the exception."""


class OptimizerEffects(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The measurement of an optimizer class, with the options that change it."""

    module: str
    """The module that defines the class."""
    name: str
    """The class name."""
    distribution: str
    """The distribution with the class; empty for a project's own class."""
    version: str
    """Version of the distribution that was measured."""
    lr: LrUse
    decay: DecayUse
    at_zero: AtZero
    norm: NormUse
    ratios: tuple[tuple[int, float], ...] = ()
    """Step, counted from 1, and the movement of the group at a tenth of the lr relative to the other group's."""
    refusals: tuple[Refusal, ...] = ()
    halved: float | None = None
    """Movement after every lr is halved, divided by the movement without the change. 0.5 means: a new lr acts at once
    or within a hundred steps.
    """
    rewrites_lr: bool = False
    """True if a step assigns ``group['lr']``."""
    options: Mapping[str, Any] = {}
    """Options for which the measurement holds; all others have their defaults."""

    @property
    def label(self) -> str:
        """Class, distribution and version that were measured: ``Rprop (torch 2.13.0)``."""
        return f"{self.name} ({self.distribution} {self.version})" if self.distribution else self.name

    def refusal(self, demand: Demand) -> Refusal | None:
        """Return the exception that the optimizer raises without ``demand``; None if it does not require ``demand``."""
        return next((refusal for refusal in self.refusals if refusal.demand == demand), None)
