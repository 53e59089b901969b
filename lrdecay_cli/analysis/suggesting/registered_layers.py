"""The layers of a backbone that nobody knows, in the order in which it registers them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lrdecay_cli.analysis.suggesting.proposing import backbone_prefix
from lrdecay_cli.constructors import OURS
from lrdecay_cli.domain.group_map import GroupMap

_NUMBERED = r"(\d+)"
# With fewer there is hardly a decay.
_FEWEST = 3


def layers_to_list(group_map: GroupMap) -> str:
    """What to do where nothing tells how the layers of a model's backbone follow each other, as a remedy.

    Whether modules run in the order of their registration is for the reader to say.
    """
    layers = dict.fromkeys(_layers(group_map, backbone_prefix(group_map)))
    remedy = f"list them from the stem up in paramwise_cfg of {OURS.label}"
    if len(layers) < _FEWEST and not any(_NUMBERED in layer for layer in layers):
        return remedy
    return f"{remedy}; as they are registered: layers=[{', '.join(layers)}]"


def inner_backbone(group_map: GroupMap) -> str:
    """Path of the one module that holds all of the backbone, as MMPretrain's ``TIMMBackbone`` has it; empty for none.

    A single module may hold another that holds all: the innermost is meant.
    """
    prefix = backbone_prefix(group_map)
    inner = _inner_prefix(_names(group_map, prefix), prefix)
    return "" if inner == prefix else inner[:-1]


def _names(group_map: GroupMap, prefix: str) -> list[str]:
    names = (f"{path}.{own}" for path, module in group_map.modules.items() for own in module.parameters)
    return [name for name in names if name.startswith(prefix)]


def _inner_prefix(names: Sequence[str], prefix: str) -> str:
    while True:
        children = {name.removeprefix(prefix).partition(".")[:2] for name in names}
        # A list of blocks has several, and a parameter of its own no dot.
        if len(children) != 1 or ("." not in (only := "".join(*children))):
            return prefix
        prefix += only


def _layers(group_map: GroupMap, prefix: str) -> Iterator[str]:
    """For each parameter a regular expression, as Python: its child of the backbone, by number where that is a list."""
    names = _names(group_map, prefix)
    inner = _inner_prefix(names, prefix)
    above = re.escape(inner.removeprefix(prefix))
    children = {name.removeprefix(inner).partition(".")[0] for name in names}
    for name in names:
        child, *rest = name.removeprefix(inner).split(".")
        pattern = above + re.escape(child)
        if rest and rest[0].isdecimal():
            pattern += rf"\.{_NUMBERED}"
        elif any(other != child and other.startswith(child) for other in children):
            # Patterns are matched from the start of a name: stages_1 is not stages_10.
            pattern += r"\." if rest else "$"
        yield f"r'{pattern}'" if "\\" in pattern else repr(pattern)
