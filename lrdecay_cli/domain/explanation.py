"""Explanations of lr and weight decay: every rule considered, the numbers, and their certainty."""

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
"""What a rule affects: a number of the parameter, whether it is in a group, or an option that is ignored."""

Outcome = Literal["applies", "overridden", "skipped", "no match", "no effect", "never read"]
"""The outcome of a rule.

===========  ==============================================================================
outcome      the rule
===========  ==============================================================================
applies      decides
overridden   matches, but another rule of its kind wins: a longer key, a later multiplier
skipped      is not tested, because another rule already decided
no match     does not cover this parameter
no effect    would decide, but there is nothing to change
never read   is in the config, but the constructor does not read it
===========  ==============================================================================
"""

Certainty = Literal["recomputed", "observed", "disagrees"]
"""``recomputed``: the rules give the numbers of the real group bit for bit. ``observed``: the numbers are read from
the real optimizer, and lrdecay knows no rule for them. ``disagrees``: the rules give other numbers than it has.
"""


class RuleTrace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, key or option that the constructor considers, with the outcome for a parameter."""

    about: tuple[Part, ...]
    rule: str
    """The rule as the config or the constructor writes it: ``custom_keys['norm']``, ``backbone.stages.2.<block>``."""
    outcome: Outcome
    reason: str = ""
    condition: str = ""
    """What a parameter needs for the rule to apply: ``be a bias, not of a norm layer or an offset``."""
    premise: str = ""
    """The condition without its exceptions: ``be a bias``."""
    basis: Basis | Literal["state"] = "computed"
    """The kind of rule."""
    cause: str = ""
    """The key, pattern or option that decides, as in a :class:`Formula`."""


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of the real group."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | None
    weight_decay: float | None


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The common explanation of lr and weight decay of some parameters."""

    patterns: tuple[str, ...]
    """Patterns that match exactly these parameters."""
    parameters: tuple[str, ...]
    state: str
    """``grouped``, ``frozen``, ``missing`` or ``duplicate``. A frozen parameter may still be in a group."""
    groups: tuple[str, ...]
    """The groups with at least one of the parameters; empty if all parameters are in no group."""
    considered: tuple[RuleTrace, ...]
    provenance: Provenance | None
    """The numbers with their formulas; null if the numbers were only observed."""
    numbers: Numbers | None
    """The numbers of the real group; null for parameters in no group."""
    remarks: tuple[str, ...]
    certainty: Certainty
    certainty_reason: str


class Divergence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first difference between a parameter and the members of a group."""

    about: Part
    there: str
    """The rule that decides for the members."""
    here: str
    """The outcome of the same rule for the parameter, and the rule that decides instead."""
    needed: str
    """What the parameter would need to be treated like the members."""


class WhyNot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reasons why some parameters are not in a group."""

    patterns: tuple[str, ...]
    parameters: tuple[str, ...]
    groups: tuple[str, ...]
    """The groups that hold these parameters."""
    not_in: str
    nearest: tuple[str, ...]
    """Patterns of the most similar members of the group. The parameters are compared with these members."""
    partings: tuple[Divergence, ...]
    """In the constructor's order of decisions; the first is where the treatment starts to differ."""
    verdict: str


class Explanations(Displayed, frozen=True, forbid_unknown_fields=True):
    """The results of one run of ``explain``."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    constructor: Constructor
    base_lr: float | None
    base_weight_decay: float | None
    known: bool
    """True if lrdecay knows the constructor's rules."""
    asked: tuple[str, ...]
    """The patterns as given."""
    reads: tuple[str, ...] | None
    """Options in the order in which the constructor first read them; null if the reads were not recorded."""
    never_read: tuple[str, ...]
    """Options that the config sets and the constructor does not read."""
    explanations: tuple[Explanation, ...]
    why_not: tuple[WhyNot, ...]
    options: tuple[Option, ...] | msgspec.UnsetType = msgspec.UNSET
    """Options of the config that affect the explained parameters, with the places that set them; unset for a map."""

    def headline(self) -> str:
        """Return the question, and the number of explained tensors."""
        names = {name for each in self.explanations for name in each.parameters}
        names |= {name for each in self.why_not for name in each.parameters}
        return f"{self.config.path}: {', '.join(self.asked) or 'why not'}: {count(len(names), 'tensor')} explained"
