"""Names that rules import from one place: ``from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule``.

mypy and ruff allow these re-exports because of their settings in pyproject.toml.
"""

from lrdecay_cli.constructors import OURS
from lrdecay_cli.decay.options import number_or_none
from lrdecay_cli.decay.parameter_kinds import Kind, kind_of
from lrdecay_cli.domain.fix import Edit, Fix, append_to, delete_option, move_option, rename_option, set_option
from lrdecay_cli.rules.context.backbone import Backbone, BackboneTensor, block_of, out_of_order
from lrdecay_cli.rules.context.optimizers import MeasuredOptimizer, trained_names
from lrdecay_cli.rules.context.rule_context import PARAMWISE, RuleContext, describe_ids
from lrdecay_cli.rules.context.schedulers import (
    BY_GAMMA,
    WARMING,
    Scheduler,
    scheduler_types,
    schedulers_of,
    trainable_groups,
    trainable_names,
    training_length,
    training_unit,
)
from lrdecay_cli.rules.fixes import (
    EXEMPTING,
    USUAL_RATE,
    exempt_in_ours,
    in_its_place,
    key_option,
    keys_fix,
    our_fix,
    our_settings,
    plain_number,
    spelling_fix,
    without_the_bases,
)
from lrdecay_cli.rules.registry import Example, Fault, default_with, part_with, rule
from lrdecay_cli.text.counting import count, integers, listed, rate, span, verb
from lrdecay_cli.text.python_source import as_python
from lrdecay_cli.text.spelling import nearest
