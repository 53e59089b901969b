"""Rule LRD511: shared-parameter-by-other-key."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, key_option, rule

_PLUGIN = """\
from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class Tied(LinearClsHead):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.proj = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.proj.weight
"""


@rule(
    "LRD511",
    "shared-parameter-by-other-key",
    severity="warning",
    bad=Example(
        "model = dict(head=dict(type='Tied'))\n"
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict(_delete_=True,\n"
        "    bypass_duplicate=True, custom_keys={'head.tied.weight': dict(lr_mult=0.1)}))",
        plugin=_PLUGIN,
    ),
    good=Example(
        "model = dict(head=dict(type='Tied'))\n"
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict(_delete_=True,\n"
        "    bypass_duplicate=True, custom_keys={'head.proj.weight': dict(lr_mult=0.1)}))",
        plugin=_PLUGIN,
    ),
)
def shared_parameter_by_other_key(context: RuleContext) -> Iterator[Fault]:
    """A custom key is in the second name of a shared tensor alone, and the tensor goes by its first.

    Shared tensors are met once, so the key that seems to be theirs never counts for them.

    With ``bypass_duplicate=True`` mmengine skips whatever it met before under another name (a head that shares its
    convolutions across levels, tied embeddings). The lr and weight decay are those of the first name in the model's
    order.
    """
    # One fault for each key.
    first = {duplicate.name: duplicate.of for duplicate in context.group_map.duplicates}
    for key, matches in context.custom_keys.items():
        reached = {*matches.wins, *matches.loses, *matches.frozen}
        missed = [name for name in matches.duplicates if first.get(name, name) not in reached]
        if missed:
            yield Fault(
                f"custom key {key!r} does not count for {missed[0]!r}: the tensor goes by its first name "
                f"{first[missed[0]]!r}" + (f", as do {len(missed) - 1:,} more" if len(missed) > 1 else ""),
                f"name it as {first[missed[0]]!r}",
                parameters=missed,
                option=key_option(key),
            )
