"""Records of the command ``explain``.

They contain the rules that the constructor considers for a parameter, the resulting numbers, and whether lrdecay could
recompute these numbers.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.display import Displayed
from lrdecay_cli.domain.group_map import ConfigSource, Tool
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.domain.provenance import Basis, Provenance
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.text.counting import count

EXPLANATION_SCHEMA_VERSION = 3

Part = Literal["layer_id", "lr_scale", "lr", "weight_decay", "state", "options"]
"""What a rule is about.

It is a number such as ``lr``, or whether the parameter is in a group (``state``), or options that the constructor
ignores (``options``).
"""

Outcome = Literal["applies", "overridden", "skipped", "no match", "no effect", "never read"]
"""The outcome of a rule.

===========  ==============================================================================
outcome      the rule
===========  ==============================================================================
applies      determines the value
overridden   matches, but another rule of the same kind takes precedence, such as a longer key
skipped      is not tested, because another rule already decided
no match     does not cover this parameter
no effect    cannot change anything, for example a factor without a value to multiply
never read   is in the config, but the constructor does not read it
===========  ==============================================================================
"""

Certainty = Literal["recomputed", "observed", "disagrees"]
"""How lrdecay knows the numbers of a group.

``recomputed``: lrdecay's rules give the numbers of the real group bit for bit. ``observed``: lrdecay read the numbers
from the real optimizer and has no rules to compute them. ``disagrees``: lrdecay's rules give other numbers than the
real group has.
"""


class RuleTrace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, key or option that the constructor considers for a parameter, with the outcome."""

    about: tuple[Part, ...]
    rule: str
    """The rule as the config or the constructor writes it: ``custom_keys['norm']``, ``backbone.stages.2.<block>``."""
    outcome: Outcome
    reason: str = ""
    condition: str = ""
    """The condition for the rule, as a verb phrase. For example: ``be a bias, but not in a norm or offset layer``."""
    premise: str = ""
    """The condition for the rule, without exceptions. For example: ``be a bias``."""
    basis: Basis | Literal["state"] = "computed"
    """The type of the rule, for example ``custom_key``. ``state``: a rule about whether the parameter is in a group."""
    cause: str = ""
    """The key, pattern or option that determines the value, as in a :class:`Formula`."""


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Layer id, lr scale, lr and weight decay of a parameter group in the built optimizer."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | None
    weight_decay: float | None


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How some parameters get their lr and weight decay. The same rules apply to all of these parameters."""

    patterns: tuple[str, ...]
    """Name patterns that match the explained parameters and no others."""
    parameters: tuple[str, ...]
    state: str
    """``grouped``, ``frozen``, ``missing`` or ``duplicate``. A frozen parameter may still be in a group."""
    groups: tuple[str, ...]
    """The groups that contain the explained parameters; empty if no group contains them."""
    considered: tuple[RuleTrace, ...]
    provenance: Provenance | None
    """The numbers with their formulas. Null if lrdecay has no formulas, or if the parameters are in no group."""
    numbers: Numbers | None
    """The numbers of the group in the built optimizer. Null for parameters in no group."""
    remarks: tuple[str, ...]
    certainty: Certainty
    certainty_reason: str


class Divergence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first rule that treats a parameter differently from the members of a group."""

    about: Part
    there: str
    """The rule that applies to the members of the group."""
    here: str
    """The outcome of the members' rule for the parameter, and the rule that applies to the parameter instead."""
    needed: str
    """The change to the parameter after which the rule of the members would apply to it."""


class WhyNot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why some parameters are not in a given group: the result of ``explain --why-not``."""

    patterns: tuple[str, ...]
    parameters: tuple[str, ...]
    groups: tuple[str, ...]
    """The groups that contain these parameters."""
    not_in: str
    nearest: tuple[str, ...]
    """Name patterns of the most similar members of the group. The parameters are compared with these members."""
    partings: tuple[Divergence, ...]
    """The rules that treat the parameters differently from the members of the group, in the constructor's order."""
    verdict: str


class Explanations(Displayed, frozen=True, forbid_unknown_fields=True):
    """The results of one run of the command ``explain``."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    constructor: Constructor
    base_lr: float | None
    base_weight_decay: float | None
    known: bool
    """True if lrdecay knows the constructor's rules."""
    asked: tuple[str, ...]
    """The name patterns that the user gave, unchanged."""
    reads: tuple[str, ...] | None
    """Options of ``paramwise_cfg`` in the order in which the constructor first read them. Null if not recorded."""
    never_read: tuple[str, ...]
    """Options that the config sets and the constructor does not read."""
    explanations: tuple[Explanation, ...]
    why_not: tuple[WhyNot, ...]
    options: tuple[Option, ...] | msgspec.UnsetType = msgspec.UNSET
    """Options of the config that affect the explained parameters, each with the file and line that set it. Unset for an
    exported map.
    """

    def headline(self) -> str:
        """Return the patterns that the user asked for, and the number of explained tensors."""
        names = {name for each in self.explanations for name in each.parameters}
        names |= {name for each in self.why_not for name in each.parameters}
        return f"{self.config.path}: {', '.join(self.asked) or 'why not'}: {count(len(names), 'tensor')} explained"
