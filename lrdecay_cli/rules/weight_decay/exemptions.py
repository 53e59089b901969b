"""Exemptions that reach nothing or everything, and a weight decay that nobody gave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lrdecay_cli.rules.api import (
    PARAMWISE,
    Example,
    Fault,
    RuleContext,
    key_option,
    part_with,
    rule,
    set_option,
    verb,
)

_LISTED = re.compile(
    r"(?i)^(?:no|skip|without|exclude|exempt|ignore).*(?:decay|wd)|(?:decay|wd).*(?:skip|exclude|exempt|ignore)"
)


def _with_attribute(name: str, index: str) -> Example:
    attribute = f"self.{name} = nn.Parameter(nn.Linear(4, 4).weight.detach()[None{index}])"
    plugin = part_with("ConvNeXtWithTokens", "ConvNeXt", attribute)
    return Example("model = dict(backbone=dict(type='ConvNeXtWithTokens'))", plugin)


@rule(
    "LRD406",
    "exemption-never-matches",
    severity="warning",
    bad=_with_attribute("cls_token", ""),
    good=_with_attribute("cls_bias", ", 0, 0"),
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
    own = context.spec.exempt_names
    if names := [name for item in own for name in _vainly_exempt(context, item)]:
        amount = f"{context.weight_decays[names[0]]:g}"
        yield Fault(
            f"{context.spec.name} means to exempt {' and '.join(own)}, but compares them with full names such as "
            f"{names[0]!r}: {len(names)} {verb(len(names), 'is', 'are')} decayed at {amount}",
            "give them weight decay 0 in a constructor of your own",
            parameters=names,
        )
    for option, item in _listed_names(context):
        path = f"{PARAMWISE}.{option}"
        if decayed := _vainly_exempt(context, item):
            yield Fault(
                f"{item!r} is listed as exempt, but {decayed[0]!r} is decayed at {context.weight_decays[decayed[0]]:g}",
                f"list the full name: {decayed[0]!r}",
                parameters=decayed,
                option=path,
                edits=[set_option(path, [decayed[0] if each == item else each for each in context.options[option]])]
                if len(decayed) == 1
                else (),
            )
        elif not any(item in name for name in context.tensors):
            message = f"{item!r} is in no parameter's name and exempts nothing"
            left = [each for each in context.options[option] if each != item]
            yield Fault(message, f"remove {item!r} from the list", option=path, edits=[set_option(path, left)])


def _listed_names(context: RuleContext) -> Iterator[tuple[str, str]]:
    """Option and item of each list in the options that exempts names from weight decay."""
    for option, items in context.options.items():
        if _LISTED.search(option) and isinstance(items, (list, tuple)):
            yield from ((option, item) for item in items if isinstance(item, str) and item)


def _vainly_exempt(context: RuleContext, item: str) -> list[str]:
    """Decayed parameters that an item of such a list means; none where it exempts some."""
    meant = [name for name in context.weight_decays if f".{item}" in f".{name}"]
    return meant if all(context.weight_decays[name] for name in meant) else []


def all_vainly_exempt(context: RuleContext) -> set[str]:
    """The parameters that LRD406 reports: of every list, the constructor's own too."""
    items = [*context.spec.exempt_names, *(item for _, item in _listed_names(context))]
    return {name for item in items for name in _vainly_exempt(context, item)}


_KNOWN_NAMES = """\
from mmengine.optim import $DEFAULT
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class KnownNames($DEFAULT):
    def add_params(self, params, module, **kwargs):
        known = self.paramwise_cfg['decayed']
        for name, parameter in module.named_parameters():
            decayed = parameter.ndim > 1 and name.startswith(tuple(known))
            params.append(dict(params=[parameter], weight_decay=self.base_wd if decayed else 0.0))
"""


@rule(
    "LRD407",
    "everything-exempt",
    severity="error",
    bad=Example(
        "optim_wrapper = dict(constructor='KnownNames', paramwise_cfg=dict(_delete_=True, decayed=['stages.']))",
        plugin=_KNOWN_NAMES,
    ),
    good=Example(
        "optim_wrapper = dict(constructor='KnownNames',\n"
        "    paramwise_cfg=dict(_delete_=True, decayed=['backbone.', 'head.']))",
        plugin=_KNOWN_NAMES,
    ),
)
def everything_exempt(context: RuleContext) -> Iterator[Fault]:
    """No weight is decayed although the config gives the optimizer a weight decay.

    The model trains without the regularisation that the config asks for, and nothing in the log says so.

    It happens when a constructor puts whatever it does not know into a group without weight decay, or when a custom key
    with ``decay_mult=0`` is part of every name (``e``, ``weight``). A whole module (backbone, neck, head) that is at 0
    while others are not is reported too, unless a custom key names it.
    """
    # One fault for the whole model, or one for each module of it that is at 0 unnamed.
    base = context.group_map.base_weight_decay
    # A weight has more than one dimension, and is of no kind that is usually exempt.
    weights = {
        name: weight_decay
        for name, weight_decay in context.weight_decays.items()
        if name not in context.kinds and len(context.tensors[name].shape) > 1
    }
    if not base or not weights:
        return
    fix = "give weights the optimizer's weight decay, and exempt parameters by name"
    if not any(weights.values()):
        given = context.group_map.training.optim_wrapper.get("optimizer")
        by_default = isinstance(given, Mapping) and given.get("weight_decay") is None
        takes = f"takes {base:g} by default" if by_default else f"is given {base:g}"
        keys = [key for key, matches in context.custom_keys.items() if not weights.keys().isdisjoint(matches.wins)]
        yield Fault(
            f"all {len(weights):,} weights have weight decay 0, although the optimizer {takes}",
            f"custom key {keys[0]!r} reaches them: name what it is meant for" if keys else fix,
            parameters=weights,
            option=key_option(keys[0]) if keys else "",
        )
        return
    asked = {name for matches in context.custom_keys.values() for name in matches.wins}
    by_module: dict[str, list[str]] = {}
    for name in weights:
        by_module.setdefault(name.partition(".")[0], []).append(name)
    for module, names in by_module.items():
        if not any(weights[name] for name in names) and asked.isdisjoint(names):
            yield Fault(
                f"none of the {len(names):,} weights of {module} is decayed, while other modules are at {base:g}",
                fix,
                parameters=names,
                severity="warning",
            )


_OPTION = "optim_wrapper.optimizer.weight_decay"


@rule(
    "LRD408",
    "weight-decay-missing",
    severity="error",
    bad=Example("optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-4))"),
    good=Example("optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, weight_decay=0.0))"),
)
def weight_decay_missing(context: RuleContext) -> Iterator[Fault]:
    """A constructor hands out the optimizer's weight decay, and the config gives the optimizer none.

    Groups are left with a weight decay of ``None``, and the optimizer raises at its first step.

    MMDetection's decay constructor copies ``optimizer.weight_decay`` into each group; where that is not set there is
    nothing to copy. An optimizer's own default (AdamW has 0.01) does not step in.
    """
    group_map = context.group_map
    optimizer = group_map.training.optim_wrapper.get("optimizer")
    given = optimizer.get("weight_decay") if isinstance(optimizer, dict) else None
    # An optimizer without weight decay has it in no group, or in those alone that the constructor exempts.
    empty = [group for group in group_map.groups if group.weight_decay is None]
    if given is not None or not empty or len(empty) == len(group_map.groups) or context.without_weight_decay:
        return
    yield Fault(
        f"{len(empty)} of {len(group_map.groups)} groups have weight decay None, for the optimizer is given none",
        f"{_OPTION}=0.05, or 0 for no weight decay",
        parameters=[parameter.name for group in empty for parameter in group.parameters],
        option=_OPTION,
        edits=[set_option(_OPTION, 0.05)],
    )
