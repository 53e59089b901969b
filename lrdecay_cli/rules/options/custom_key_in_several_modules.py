"""Rule LRD507: custom-key-in-several-modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lrdecay_cli.constructors.custom_keys import KeyMatches
from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, key_option, keys_told, rule

_PLUGIN = """\
from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class Distilling(LinearClsHead):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.to_backbone = nn.Linear(4, 4)
"""


@rule(
    "LRD507",
    "custom-key-in-several-modules",
    severity="warning",
    bad=Example(
        "model = dict(head=dict(type='Distilling'))\n"
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys={'backbone': dict(lr_mult=0.1)}))",
        plugin=_PLUGIN,
    ),
    good=Example(
        "model = dict(head=dict(type='Distilling'))\n"
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys={'backbone.': dict(lr_mult=0.1)}))",
        plugin=_PLUGIN.replace("to_backbone", "to_teacher"),
    ),
)
def custom_key_in_several_modules(context: RuleContext) -> Iterator[Fault]:
    """A custom key that names one module of the model is part of names in others too.

    Parameters that nobody thought of get the key's lr or weight decay.

    Keys are substrings: ``neck`` is in ``backbone.layer1.bottleneck``, ``head`` in ``roi_head`` and ``bn`` in
    ``subnet``. A dot behind the key (``neck.``) or a longer piece of the name tells them apart. Keys that mean a kind
    of parameter everywhere (``norm``, ``pos_embed``) are left alone.
    """
    # One fault for each key.
    # A model inside another one is what the constructor sees.
    own = "module." if all(name.startswith("module.") for name in context.entries) else ""
    top = {name.removeprefix(own).partition(".")[0] for name in context.entries}
    for key, matches in context.custom_keys.items():
        if all(value == 1 for value in matches.settings.values()):
            continue
        named = key.strip(".").partition(".")[0]
        if named in top:
            astray = [name for name in matches.wins if name.removeprefix(own).partition(".")[0] != named]
            right = f"in {named}"
        else:
            astray, right = _inside_words(context, matches), "as a word"
        if not astray or len(astray) == len(matches.wins):
            continue
        yield Fault(
            f"custom key {key!r} reaches {count(len(matches.wins) - len(astray), 'tensor')} {right}, "
            f"and {len(astray):,} more such as {astray[0]!r}",
            _remedy(key, matches, astray, context.entries),
            parameters=astray,
            option=key_option(key),
        )


def _inside_words(context: RuleContext, matches: KeyMatches) -> list[str]:
    """Parameters with the key in the middle of a word, where it is a word of its own elsewhere."""
    inside = [name for name in matches.wins if not _is_word(matches.key, name)]
    kinds = {context.kinds.get(name) for name in matches.wins}
    return [] if len(kinds) == 1 and None not in kinds else inside


def _is_word(key: str, name: str) -> bool:
    """Whether the key stands somewhere in the name with no letter before or behind it."""
    start = name.find(key)
    while start >= 0:
        before, behind = name[:start][-1:], name[start + len(key) :][:1]
        if not (before.isalpha() and key[:1].isalpha()) and not (behind.isalpha() and key[-1:].isalpha()):
            return True
        start = name.find(key, start + 1)
    return False


def _remedy(key: str, matches: KeyMatches, astray: list[str], model: Iterable[str]) -> str:
    right = [name for name in matches.wins if name not in {*astray}]
    for longer in (f"{key}.", f".{key}.", f".{key}"):
        if all(longer in name for name in right) and not any(longer in name for name in astray):
            return f"write {longer!r}"
    # What is astray has the key as a word too: only a longer key can take it away again.
    common = _common(astray, key)
    return f"add {common!r}: dict(lr_mult=1.0)" if common else keys_told(astray, model, key, {"lr_mult": 1.0})


def _common(names: list[str], key: str) -> str:
    """The shortest path that all names share and that is longer than the key; empty if there is none."""
    parts = names[0].split(".")
    for end in range(1, len(parts)):
        path = ".".join(parts[:end])
        if len(path) > len(key) and all(name.startswith(f"{path}.") for name in names):
            return path
    return ""
