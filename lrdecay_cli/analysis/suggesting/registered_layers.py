"""The layers of a backbone that nobody knows, in the order in which it registers them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lrdecay_cli.analysis.suggesting.proposing import backbone_prefix
from lrdecay_cli.domain.group_map import GroupMap


def layers_to_list(group_map: GroupMap) -> str:
    """What to do where nothing tells how the layers of a model's backbone follow each other, as a remedy.

    Whether modules run in the order of their registration is for the reader to say.
    """
    layers = dict.fromkeys(_layers(group_map, backbone_prefix(group_map)))
    return (
        "list them from the stem up in paramwise_cfg of lrdecay's LayerDecayOptimWrapperConstructor;"
        f" as they are registered: layers=[{', '.join(layers)}]"
    )


def _layers(group_map: GroupMap, prefix: str) -> Iterator[str]:
    """For each parameter a regular expression, as Python: its child of the backbone, by number where that is a list."""
    for path, module in group_map.modules.items():
        for own in module.parameters:
            name = f"{path}.{own}"
            if name.startswith(prefix):
                child, *inner = name.removeprefix(prefix).split(".")
                listed = inner and inner[0].isdecimal()
                yield f"r'{re.escape(child)}\\.(\\d+)'" if listed else repr(child)
