"""Records of the command ``explain``.

They contain the rules that the constructor considers for a parameter, the resulting numbers, and how certain these are.
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
"""What a rule affects: a number of the parameter, its membership in a group (``state``), or ignored options."""

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
"""``recomputed``: lrdecay's rules give the numbers of the real group bit for bit. ``observed``: the numbers are from
the real optimizer, and lrdecay has no rule for them. ``disagrees``: lrdecay's rules give other numbers than the real
group.
"""


class RuleTrace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, key or option that the constructor considers for a parameter, with the outcome."""

    about: tuple[Part, ...]
    rule: str
    """The rule as the config or the constructor writes it: ``custom_keys['norm']``, ``backbone.stages.2.<block>``."""
    outcome: Outcome
    reason: str = ""
    condition: str = ""
    """The condition for the rule to apply, as a verb phrase: ``be a bias, not of a norm layer or an offset``."""
    premise: str = ""
    """The condition without its exceptions: ``be a bias``."""
    basis: Basis | Literal["state"] = "computed"
    """The kind of rule."""
    cause: str = ""
    """The key, pattern or option that determines the value, as in a :class:`Formula`."""


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Layer id, lr scale, lr and weight decay of a parameter group, as the built optimizer contains it."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | None
    weight_decay: float | None


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How some parameters get their lr and weight decay. The same rules apply to all of these parameters."""

    patterns: tuple[str, ...]
    """Patterns that match exactly these parameters."""
    parameters: tuple[str, ...]
    state: str
    """``grouped``, ``frozen``, ``missing`` or ``duplicate``. A frozen parameter may still be in a group."""
    groups: tuple[str, ...]
    """The groups with at least one of the parameters; empty if all parameters are in no group."""
    considered: tuple[RuleTrace, ...]
    provenance: Provenance | None
    """The numbers with their formulas. Null if the numbers were only observed."""
    numbers: Numbers | None
    """The numbers of the group in the built optimizer. Null for parameters in no group."""
    remarks: tuple[str, ...]
    certainty: Certainty
    certainty_reason: str


class Divergence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first rule that treats a parameter differently from the members of a group."""

    about: Part
    there: str
    """The rule that applies to the members."""
    here: str
    """The outcome of this rule for the parameter, and the rule that applies instead."""
    needed: str
    """The change to the parameter that would give it the same treatment as the members."""


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
    """The rules by which the treatment differs, in the order of the constructor's decisions."""
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
    """The patterns as the user gave them."""
    reads: tuple[str, ...] | None
    """Options in the order in which the constructor first read them; null if the reads were not recorded."""
    never_read: tuple[str, ...]
    """Options that the config sets and the constructor does not read."""
    explanations: tuple[Explanation, ...]
    why_not: tuple[WhyNot, ...]
    options: tuple[Option, ...] | msgspec.UnsetType = msgspec.UNSET
    """Options of the config that affect the explained parameters, with the places that set them. Unset for an exported
    map.
    """

    def headline(self) -> str:
        """Return the patterns that the user asked for, and the number of explained tensors."""
        names = {name for each in self.explanations for name in each.parameters}
        names |= {name for each in self.why_not for name in each.parameters}
        return f"{self.config.path}: {', '.join(self.asked) or 'why not'}: {count(len(names), 'tensor')} explained"
