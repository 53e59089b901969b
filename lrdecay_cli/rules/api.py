"""All that a rule needs: ``from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule``."""

from lrdecay_cli.constructors import OURS
from lrdecay_cli.decay.checked import number_or_none
from lrdecay_cli.rules.context.backbone import Backbone, BackboneTensor, out_of_order
from lrdecay_cli.rules.context.option_names import (
    lost,
    meant,
    readers,
    same_here,
    set_together,
    unread,
    value_of,
)
from lrdecay_cli.rules.context.policy import option_of
from lrdecay_cli.rules.context.rule_context import PARAMWISE, RuleContext, ids_told
from lrdecay_cli.rules.context.schedulers import (
    WARMING,
    Scheduler,
    names,
    scheduler_types,
    schedulers_of,
    trained,
    training_length,
    training_unit,
)
from lrdecay_cli.rules.exemptions import all_vainly_exempt, decayed_faults, exemption_lists, vainly_exempt
from lrdecay_cli.rules.registry import CONSTRUCTOR, Example, Fault, default_with, rule
from lrdecay_cli.rules.remedies.custom_keys import key_option, keys_told
from lrdecay_cli.rules.remedies.our_constructor import (
    EXEMPTING,
    USUAL_RATE,
    exempt_in_ours,
    in_its_place,
    without_the_bases,
    written,
)
from lrdecay_cli.text.counting import count, integers, rate, span, verb
from lrdecay_cli.text.python_source import as_python
from lrdecay_cli.text.spelling import nearest

__all__ = [
    "CONSTRUCTOR",
    "EXEMPTING",
    "OURS",
    "PARAMWISE",
    "USUAL_RATE",
    "WARMING",
    "Backbone",
    "BackboneTensor",
    "Example",
    "Fault",
    "RuleContext",
    "Scheduler",
    "all_vainly_exempt",
    "as_python",
    "count",
    "decayed_faults",
    "default_with",
    "exempt_in_ours",
    "exemption_lists",
    "ids_told",
    "in_its_place",
    "integers",
    "key_option",
    "keys_told",
    "lost",
    "meant",
    "names",
    "nearest",
    "number_or_none",
    "option_of",
    "out_of_order",
    "rate",
    "readers",
    "rule",
    "same_here",
    "scheduler_types",
    "schedulers_of",
    "set_together",
    "span",
    "trained",
    "training_length",
    "training_unit",
    "unread",
    "vainly_exempt",
    "value_of",
    "verb",
    "without_the_bases",
    "written",
]
