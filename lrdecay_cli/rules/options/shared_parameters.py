"""A rule about shared parameters that get the settings of another name."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, key_option, part_with, rename_option, rule


def _tied(key: str) -> Example:
    return Example(
        "model = dict(head=dict(type='Tied'))\n"
        "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=dict(_delete_=True,\n"
        f"    bypass_duplicate=True, custom_keys={{'head.{key}.weight': dict(lr_mult=0.1)}}))",
        part_with(
            "Tied",
            "LinearClsHead",
            "self.proj = nn.Linear(4, 4)",
            "self.tied = nn.Linear(4, 4)",
            "self.tied.weight = self.proj.weight",
        ),
    )


@rule(
    "LRD511",
    "shared-parameter-by-other-key",
    severity="warning",
    bad=_tied("tied"),
    good=_tied("proj"),
)
def shared_parameter_by_other_key(context: RuleContext) -> Iterator[Fault]:
    """A custom key matches only the second name of a shared tensor, but mmengine uses only the first name.

    The constructor processes a shared tensor once, under its first name, so a key for the second name never applies.

    With ``bypass_duplicate=True``, mmengine skips a tensor that it has already processed under another name. Examples
    of such tensors are tied embeddings, or the weights of a head that shares convolutions across levels. The lr and
    weight decay of the tensor follow its first name in the model's order.
    """
    first = {duplicate.name: duplicate.of for duplicate in context.group_map.duplicates}
    for key, matches in context.custom_keys.items():
        reached = {*matches.wins, *matches.overridden, *matches.frozen}
        missed = [name for name in matches.duplicates if first.get(name, name) not in reached]
        if missed:
            yield Fault(
                f"custom key {key!r} does not apply to {missed[0]!r}: the constructor uses another name of this shared "
                f"tensor, {first[missed[0]]!r}" + (f"; same for {len(missed) - 1:,} more" if len(missed) > 1 else ""),
                f"use {first[missed[0]]!r} as the key, because the constructor uses this name for the tensor",
                parameters=missed,
                option=key_option(key),
                edits=[rename_option(key_option(key), first[missed[0]])] if not reached and len(missed) == 1 else (),
            )
