"""Why parameters are trained as they are: every rule that was considered, the numbers, and how certain it is."""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.display import Displayed
from lrdecay_cli.domain.group_map import ConfigSource, Tool
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.domain.provenance import Basis, Provenance
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.text.counting import count

EXPLANATION_SCHEMA_VERSION = 2

Part = Literal["layer_id", "lr_scale", "lr", "weight_decay", "state", "options"]
"""What a rule is about: a number of the parameter, whether it is in a group at all, or an option that nobody reads."""

Outcome = Literal["applies", "lost", "passed over", "no match", "no effect", "never read"]
"""What became of a rule.

===========  ==============================================================================
outcome      the rule
===========  ==============================================================================
applies      decided
lost         matches, but another of its kind goes first: a longer key, a later multiplier
passed over  was not asked, since another rule had decided
no match     is not meant for this parameter
no effect    would decide, but there is nothing for it to change
never read   stands in the config, but the constructor does not look for it
===========  ==============================================================================
"""

Certainty = Literal["recomputed", "observed", "disagrees"]
"""``recomputed``: the rules give the numbers of the real group bit for bit. ``observed``: read from the real optimizer,
by no rule that lrdecay knows. ``disagrees``: the rules give other numbers than the real group has."""


class RuleTrace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, key or option in the order in which the constructor comes by, and what became of it."""

    about: tuple[Part, ...]
    rule: str
    """As the config or the constructor has it: ``custom_keys['norm']``, ``backbone.stages.2.<block>``."""
    outcome: Outcome
    reason: str = ""
    condition: str = ""
    """What a parameter would have to do for the rule to apply: ``be a bias, not of a norm layer or an offset``."""
    premise: str = ""
    """The condition without its exceptions: ``be a bias``."""
    basis: Basis | Literal["state"] = "computed"
    """What kind of rule it is."""
    cause: str = ""
    """What it goes by, as in a :class:`Formula`."""


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the real group has."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | None
    weight_decay: float | None


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why some parameters are trained as they are. They share all of it."""

    patterns: tuple[str, ...]
    """Patterns that match these parameters and no others."""
    parameters: tuple[str, ...]
    state: str
    """``grouped``, ``frozen``, ``missing`` or ``duplicate``. What is frozen may be in a group all the same."""
    groups: tuple[str, ...]
    """Those that hold one of the parameters; empty for what is in no group."""
    considered: tuple[RuleTrace, ...]
    provenance: Provenance | None
    """The numbers with their formulas; null where they were observed only."""
    numbers: Numbers | None
    """Null for what is in no group."""
    remarks: tuple[str, ...]
    certainty: Certainty
    certainty_reason: str


class Divergence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the way of a parameter parts from that of the members of a group."""

    about: Part
    there: str
    """What decides for the members."""
    here: str
    """What became of that here, and what decides instead."""
    needed: str
    """What would have to differ for it to be as there."""


class WhyNot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why some parameters are not in a group."""

    patterns: tuple[str, ...]
    parameters: tuple[str, ...]
    groups: tuple[str, ...]
    """Those that hold them."""
    not_in: str
    nearest: tuple[str, ...]
    """Patterns of the members that come nearest: those that are compared."""
    partings: tuple[Divergence, ...]
    """In the order in which the constructor decides; the first is where the ways part."""
    verdict: str


class Explanations(Displayed, frozen=True, forbid_unknown_fields=True):
    """Everything that one run of ``explain`` found out."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    constructor: Constructor
    base_lr: float | None
    base_weight_decay: float | None
    known: bool
    """Whether lrdecay knows the constructor's rules."""
    asked: tuple[str, ...]
    """The patterns, as given."""
    reads: tuple[str, ...] | None
    """Options in the order in which the constructor first read them; null if nobody watched."""
    never_read: tuple[str, ...]
    """Options that the config sets and the constructor does not read."""
    explanations: tuple[Explanation, ...]
    why_not: tuple[WhyNot, ...]
    options: tuple[Option, ...] | msgspec.UnsetType = msgspec.UNSET
    """Options of the config that have a say in what is explained, and where they are set; unset for a map."""

    def headline(self) -> str:
        """What was asked, and how many tensors are explained."""
        names = {name for each in self.explanations for name in each.parameters}
        names |= {name for each in self.why_not for name in each.parameters}
        return f"{self.config.path}: {', '.join(self.asked) or 'why not'}: {count(len(names), 'tensor')} explained"
