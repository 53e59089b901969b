"""A list of names exempt from weight decay holds one that can match nothing, or is compared with the wrong name.

Whoever wrote the list believes that these parameters are not decayed, and they are.

MMDetection's decay constructor compares ``pos_embed`` and ``cls_token`` with the full name of a parameter, which is
``backbone.pos_embed``: its list can never match. The same is looked for in the lists that other constructors take in
``paramwise_cfg`` (``no_decay_names``, ``skip_weight_decay``): each item should be the name of a parameter that ends
up with weight decay 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.subject import MMDET_DECAY, PARAMWISE, Subject

_PLUGIN = """\
from mmpretrain.models import ConvNeXt
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class ConvNeXtWithTokens(ConvNeXt):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.{name} = nn.Parameter(nn.Linear(4, 4).weight.detach()[None{index}])
"""
_LISTED = re.compile(
    r"(?i)^(?:no|skip|without|exclude|exempt|ignore).*(?:decay|wd)|(?:decay|wd).*(?:skip|exclude|exempt|ignore)"
)


def check(subject: Subject) -> Iterator[Fault]:
    """One fault for the fixed list of MMDetection's constructor, one for each item of a list in the options."""
    if subject.constructor == MMDET_DECAY and subject.vainly_exempt:
        names = subject.vainly_exempt
        yield Fault(
            f"{MMDET_DECAY} means to exempt pos_embed and cls_token, but compares them with full names such as "
            f"{names[0]!r}: {len(names)} of them {'is' if len(names) == 1 else 'are'} decayed at "
            f"{subject.weight_decays[names[0]]:g}",
            "give these parameters weight decay 0 in a constructor of your own",
            parameters=names,
        )
    for option, items in subject.options.items():
        if not _LISTED.search(option) or not isinstance(items, (list, tuple)):
            continue
        for item in (item for item in items if isinstance(item, str) and item):
            yield from _listed(subject, f"{PARAMWISE}.{option}", item)


def _listed(subject: Subject, option: str, item: str) -> Iterator[Fault]:
    meant = [name for name in subject.entries if item in name]
    decayed = [name for name in meant if subject.weight_decays.get(name)]
    if not meant:
        yield Fault(
            f"{item!r} is in no parameter's name, so it exempts nothing",
            f"remove {item!r} from the list",
            option=option,
        )
    elif decayed and all(subject.weight_decays.get(name) != 0 for name in meant):
        yield Fault(
            f"{item!r} is listed as exempt, but {decayed[0]!r} is decayed at {subject.weight_decays[decayed[0]]:g}",
            f"list the full name: {decayed[0]!r}",
            parameters=decayed,
            option=option,
        )


RULE = Rule(
    code="LRD406",
    name="exemption-never-matches",
    severity="warning",
    check=check,
    documentation=__doc__,
    bad=Example(
        "model = dict(backbone=dict(type='ConvNeXtWithTokens'))", plugin=_PLUGIN.format(name="cls_token", index="")
    ),
    good=Example(
        "model = dict(backbone=dict(type='ConvNeXtWithTokens'))",
        plugin=_PLUGIN.format(name="cls_bias", index=", 0, 0"),
    ),
)
