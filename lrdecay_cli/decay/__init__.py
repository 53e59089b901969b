"""The decay itself, as pure functions: parameter name → layer id → lr scale → lr, and name and shape → weight decay."""

from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.decay.families import (
    ALL_FAMILIES,
    BACKBONE_PREFIX,
    MMDET_FAMILIES,
    ClassNames,
    Family,
    LayerRule,
    find_family,
)
from lrdecay_cli.decay.grouping import PlannedGroup, PlannedParameter, TrainingParameter, plan_groups
from lrdecay_cli.decay.one_line import matched_part, one_line
from lrdecay_cli.decay.options import DECAY_TYPES, DecayOptions, DecayType
from lrdecay_cli.decay.rules import DecayRules

__all__ = [
    "ALL_FAMILIES",
    "BACKBONE_PREFIX",
    "DECAY_TYPES",
    "MMDET_FAMILIES",
    "ClassNames",
    "DecayError",
    "DecayOptions",
    "DecayRules",
    "DecayType",
    "Family",
    "LayerRule",
    "PlannedGroup",
    "PlannedParameter",
    "TrainingParameter",
    "find_family",
    "matched_part",
    "one_line",
    "plan_groups",
]
