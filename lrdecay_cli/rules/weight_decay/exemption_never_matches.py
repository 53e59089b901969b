"""Rule LRD406: exemption-never-matches."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.facts import MMDET_LAYER_DECAY
from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, exemption_lists, rule, vainly_exempt

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


@rule(
    "LRD406",
    "exemption-never-matches",
    severity="warning",
    bad=Example(
        "model = dict(backbone=dict(type='ConvNeXtWithTokens'))", plugin=_PLUGIN.format(name="cls_token", index="")
    ),
    good=Example(
        "model = dict(backbone=dict(type='ConvNeXtWithTokens'))",
        plugin=_PLUGIN.format(name="cls_bias", index=", 0, 0"),
    ),
)
def exemption_never_matches(context: RuleContext) -> Iterator[Fault]:
    """A list of names exempt from weight decay holds one that can match nothing, or is compared with the wrong name.

    Whoever wrote the list believes that these parameters are not decayed, and they are.

    MMDetection's decay constructor compares ``pos_embed`` and ``cls_token`` with the full name of a parameter, which is
    ``backbone.pos_embed``: its list can never match. The same is looked for in the lists that other constructors take
    in ``paramwise_cfg`` (``no_decay_names``, ``skip_weight_decay``): each item should be the name of a parameter that
    ends up with weight decay 0.
    """
    # One fault for the fixed list of MMDetection's constructor, one for each item of a list in the options.
    for option, items in exemption_lists(context).items():
        if option:
            for item in items:
                yield from _listed(context, f"{PARAMWISE}.{option}", item)
            continue
        names = [name for item in items for name in vainly_exempt(context, item)]
        if names:
            yield Fault(
                f"{MMDET_LAYER_DECAY} means to exempt {' and '.join(items)}, but compares them with full names such as "
                f"{names[0]!r}: {len(names)} {'is' if len(names) == 1 else 'are'} decayed at "
                f"{context.weight_decays[names[0]]:g}",
                "give them weight decay 0 in a constructor of your own",
                parameters=names,
            )


def _listed(context: RuleContext, option: str, item: str) -> Iterator[Fault]:
    decayed = vainly_exempt(context, item)
    if decayed:
        yield Fault(
            f"{item!r} is listed as exempt, but {decayed[0]!r} is decayed at {context.weight_decays[decayed[0]]:g}",
            f"list the full name: {decayed[0]!r}",
            parameters=decayed,
            option=option,
        )
    elif not any(item in name for name in context.entries):
        yield Fault(
            f"{item!r} is in no parameter's name and exempts nothing", f"remove {item!r} from the list", option=option
        )
