"""The decay itself, as pure functions: parameter name → layer id → lr scale → lr, and name and shape → weight decay."""

from lrdecay_cli.decay.constructor_options import ConstructorOptions
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
from lrdecay_cli.decay.formulas import matched_part, one_line
from lrdecay_cli.decay.grouping import PlannedGroup, PlannedParameter, TrainingParameter, plan_groups
from lrdecay_cli.decay.model_rules import BackboneClasses, Plan, plan_of_model
from lrdecay_cli.decay.options import DECAY_TYPES, DecayOptions, DecayType
from lrdecay_cli.decay.rules import DecayRules

__all__ = [
    "ALL_FAMILIES",
    "BACKBONE_PREFIX",
    "DECAY_TYPES",
    "MMDET_FAMILIES",
    "BackboneClasses",
    "ClassNames",
    "ConstructorOptions",
    "DecayError",
    "DecayOptions",
    "DecayRules",
    "DecayType",
    "Family",
    "LayerRule",
    "Plan",
    "PlannedGroup",
    "PlannedParameter",
    "TrainingParameter",
    "find_family",
    "matched_part",
    "one_line",
    "plan_groups",
    "plan_of_model",
]
