"""Rules about weight decay: exemptions that match no parameter or every parameter, and a missing ``weight_decay``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lrdecay_cli.rules.api import (
    PARAMWISE,
    Example,
    Fault,
    RuleContext,
    count,
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
    """A name in a list of exemptions from weight decay exempts no parameter.

    The author expects that parameters with the listed name have no weight decay, but they have weight decay.

    MMDetection's decay constructor exempts ``pos_embed`` and ``cls_token``, but compares these names with full
    parameter names such as ``backbone.pos_embed``. These two names therefore exempt no parameter. Other constructors
    read the names to exempt from an option of ``paramwise_cfg``, such as ``no_decay_names`` or ``skip_weight_decay``.

    lrdecay reports a name in such a list if no parameter name contains it, or if every parameter whose name contains it
    has weight decay.
    """
    # One fault for the fixed list of MMDetection's constructor, one for each item of a list in the options.
    own = context.spec.exempt_names
    if names := [name for item in own for name in _vainly_exempt(context, item)]:
        amount = f"{context.weight_decays[names[0]]:g}"
        yield Fault(
            f"{context.spec.name} should exempt {' and '.join(own)}, but compares them with full names such as "
            f"{names[0]!r}: {count(len(names), 'tensor')} {verb(len(names), 'has', 'have')} weight decay {amount}",
            "set the weight decay of these parameters to 0 in a constructor of your own",
            parameters=names,
        )
    for option, item in _listed_names(context):
        path = f"{PARAMWISE}.{option}"
        if decayed := _vainly_exempt(context, item):
            amount = f"{context.weight_decays[decayed[0]]:g}"
            yield Fault(
                f"{item!r} is listed as exempt from weight decay, but {decayed[0]!r} has weight decay {amount}",
                f"in the list, write full parameter names such as {decayed[0]!r}",
                parameters=decayed,
                option=path,
                edits=[set_option(path, [decayed[0] if each == item else each for each in context.options[option]])]
                if len(decayed) == 1
                else (),
            )
        elif not any(item in name for name in context.tensors):
            message = f"{item!r} matches no parameter name and exempts nothing"
            left = [each for each in context.options[option] if each != item]
            yield Fault(message, f"remove {item!r} from the list", option=path, edits=[set_option(path, left)])


def _listed_names(context: RuleContext) -> Iterator[tuple[str, str]]:
    """Yield each option of ``paramwise_cfg`` that lists exempt names, with each name in its list.

    For example, ``('no_decay_names', 'cls_token')``.
    """
    for option, items in context.options.items():
        if _LISTED.search(option) and isinstance(items, (list, tuple)):
            yield from ((option, item) for item in items if isinstance(item, str) and item)


def _vainly_exempt(context: RuleContext, item: str) -> list[str]:
    """Return the parameters whose names contain ``item``, if all these parameters have weight decay; else nothing."""
    matching = [name for name in context.weight_decays if f".{item}" in f".{name}"]
    return matching if all(context.weight_decays[name] for name in matching) else []


def all_vainly_exempt(context: RuleContext) -> set[str]:
    """Return all parameters that LRD406 reports. They are listed as exempt from weight decay, but have weight decay."""
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
    also=("warning",),
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
    """No weight gets weight decay, although the optimizer's weight decay is above 0.

    The model trains without the configured regularisation, and the log does not show it.

    One cause is a constructor that puts all unrecognised parameters into a group without weight decay. Another cause is
    a custom key with ``decay_mult=0`` that is part of every parameter name, for example the key ``e``. LRD407 also
    reports a whole module (backbone, neck or head) with weight decay 0 if other modules have weight decay. It does not
    report a module that a custom key names.
    """
    # One fault for the whole model, or one for each module at 0 that no custom key names.
    base = context.group_map.base_weight_decay
    # A weight has more than one dimension and does not belong to a kind that is usually exempt.
    weights = {
        name: weight_decay
        for name, weight_decay in context.weight_decays.items()
        if name not in context.kinds and len(context.tensors[name].shape) > 1
    }
    if not base or not weights:
        return
    fix = "make the constructor keep the optimizer's weight decay for weights, and exempt other parameters by name"
    if not any(weights.values()):
        given = context.group_map.training.optim_wrapper.get("optimizer")
        by_default = isinstance(given, Mapping) and given.get("weight_decay") is None
        keys = [key for key, matches in context.custom_keys.items() if not weights.keys().isdisjoint(matches.wins)]
        yield Fault(
            f"all {len(weights):,} weights have weight decay 0, although the optimizer's weight decay is {base:g}"
            + (" by default" if by_default else ""),
            f"replace custom key {keys[0]!r} by longer keys for the intended parameters" if keys else fix,
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
                f"all {len(names):,} weights of {module} have weight decay 0, while other modules have {base:g}",
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
    """The constructor copies the optimizer's weight decay into groups, but the config sets no weight decay.

    Some groups have weight decay ``None``, so the optimizer raises at its first step.

    MMDetection's decay constructor copies ``optimizer.weight_decay`` into each group. If the config does not set it,
    the constructor copies ``None``, and the optimizer's default (0.01 for AdamW) does not replace ``None``.
    """
    group_map = context.group_map
    if group_map.live:
        # Without a constructor that copies options, an optimizer without weight decay has no such option.
        return
    optimizer = group_map.training.optim_wrapper.get("optimizer")
    given = optimizer.get("weight_decay") if isinstance(optimizer, dict) else None
    # Without weight decay in the optimizer, no group has it, or only the groups that the constructor exempts.
    empty = [group for group in group_map.groups if group.weight_decay is None]
    if given is not None or not empty or len(empty) == len(group_map.groups) or context.without_weight_decay:
        return
    yield Fault(
        f"{len(empty)} of {len(group_map.groups)} groups have weight decay None, because the config sets none",
        f"set {_OPTION}=0.05, or 0 for no weight decay",
        parameters=[parameter.name for group in empty for parameter in group.parameters],
        option=_OPTION,
        edits=[set_option(_OPTION, 0.05)],
    )
