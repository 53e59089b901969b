"""Rule LRD505: custom-key-matches-nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from lrdecay_cli.rules.api import Example, Fault, RuleContext, key_option, keys_told, nearest, rule

_PATTERN = re.compile(r"[*^$\\|?+]|\[.*\]")
_HINT = ": it is searched for as it stands, and is no glob and no regular expression"


@rule(
    "LRD505",
    "custom-key-matches-nothing",
    severity="warning",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys={'.backbone': dict(lr_mult=0.1)}))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys={'backbone': dict(lr_mult=0.1)}))"
    ),
)
def custom_key_matches_nothing(context: RuleContext) -> Iterator[Fault]:
    """A custom key is in no parameter's name.

    What it asks for never happens: a backbone that should train at a tenth of the rate trains at the full one.

    A key is plain text that must be part of a parameter's name: no glob, no regular expression. Names begin without a
    dot, so that ``.backbone`` finds nothing. A key that only exempts from weight decay and is like nothing in the model
    is an info, for configs name what some of a family's models have; where a base config has it, it is not reported.
    """
    # One fault for each key.
    inherited = {*context.group_map.training.inherited}
    for key, matches in context.custom_keys.items():
        if not matches.matches_nothing:
            continue
        better, globbed = _better(context, key), _globbed(context, key)
        harmless = not (better or globbed) and matches.settings.get("decay_mult") == 0
        # A base names what only some of its models have.
        elsewhere = not (better or globbed) and f"custom_keys.{key}" in inherited
        if harmless and elsewhere:
            continue
        if globbed:
            remedy = keys_told(globbed, context.entries, "", matches.settings)
        elif better:
            remedy = f"did you mean {better!r}?"
        else:
            remedy = "remove it, or give a part of a parameter's name: lrdecay inspect --by parameter lists them"
        wrong = (better or globbed) and _changes_lr(matches.settings)
        yield Fault(
            f"custom key {key!r} is part of no parameter's name{_HINT if _PATTERN.search(key) else ''}",
            remedy,
            option=key_option(key),
            severity="info" if harmless or elsewhere else "error" if wrong else None,
        )


def _changes_lr(settings: object) -> bool:
    return isinstance(settings, dict) and settings.get("lr_mult", 1) != 1


def _globbed(context: RuleContext, key: str) -> list[str]:
    """The names that the key would reach as a glob, if it has a ``*`` between other things."""
    inner = key.strip("*.")
    if "*" not in inner:
        return []
    return [name for name in context.entries if fnmatchcase(f".{name}.", f"*.{inner.replace('.*.', '.*')}*")]


def _better(context: RuleContext, key: str) -> str | None:
    """The part of a name that was meant."""
    for plain in (key.strip("."), re.sub(r"\.?\*+|[\^$\\]|\.\*", "", key).strip("."), key.replace("/", ".")):
        if plain and plain != key and any(plain in name for name in context.entries):
            return plain
    modules = {
        path
        for name in context.entries
        for parts in [name.split(".")]
        for path in _paths(parts)
        if len(path) <= len(key) + 8
    }
    return nearest(key, sorted(modules))


def _paths(parts: list[str]) -> Iterator[str]:
    for start in range(min(len(parts), 3)):
        for end in range(start + 1, min(len(parts), start + 4) + 1):
            yield ".".join(parts[start:end])
    yield parts[-1]
