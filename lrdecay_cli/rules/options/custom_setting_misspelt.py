"""Rule LRD504: custom-setting-misspelt."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, key_option, nearest, rule

MULTIPLIERS = ("lr_mult", "decay_mult")
TORCH_OPTIONS = ("betas", "eps", "momentum", "dampening", "nesterov", "amsgrad", "foreach", "fused", "maximize")
"""What a group may have where all groups go by the key, so that none shows what the optimizer knows."""


@rule(
    "LRD504",
    "custom-setting-misspelt",
    severity="error",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys=dict(norm=dict(decay_multi=0.0))))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys=dict(norm=dict(decay_mult=0.0))))"
    ),
)
def custom_setting_misspelt(context: RuleContext) -> Iterator[Fault]:
    """A custom key sets something that is neither a multiplier nor an option of the optimizer.

    It ends up as a field of the parameter group that nobody looks at, and the parameters keep what they had.

    A custom key may set ``lr_mult``, ``decay_mult`` and whatever the optimizer takes for a group (``betas``,
    ``momentum``). The official ViTPose-B config writes ``decay_multi`` and so decays what it means to exempt.
    """
    # One fault for each setting of each key.
    for key, matches in context.custom_keys.items():
        known = known_settings(context, key)
        for setting, value in matches.settings.items():
            if setting in known:
                continue
            name = nearest(setting, known)
            yield Fault(
                f"custom key {key!r} sets {setting}={value!r}, which {context.group_map.optimizer.type} does not know",
                f"did you mean {name}={value!r}?" if name else f"remove {setting}, or set lr_mult or decay_mult",
                parameters=matches.wins,
                option=key_option(key, setting),
                severity=None if name else "warning",
            )


def known_settings(context: RuleContext, key: str) -> set[str]:
    """What a custom key may set, as far as the map shows."""
    return {*MULTIPLIERS, "lr", "weight_decay", *_optimizer_options(context, key)}


def _optimizer_options(context: RuleContext, key: str) -> Iterator[str]:
    """Options that groups have which the key did not make, or that the config gives to the optimizer."""
    yield from context.group_map.optimizer.options
    own = {*context.custom_keys[key].wins}
    others = [
        group for group in context.group_map.groups if own.isdisjoint(parameter.name for parameter in group.parameters)
    ]
    common = set.intersection(*({*group.options} for group in others)) if others else set()
    yield from common or TORCH_OPTIONS
