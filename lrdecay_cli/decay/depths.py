"""Blocks per stage, read off parameter names.

The highest index counts, not the number of names: PyTorch lists a tensor that several blocks share under the first one
only, and a block may have no parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def blocks_per_stage(names: Iterable[str], pattern: str) -> tuple[int, ...]:
    """Depths of a backbone with stages.

    Args:
        names: parameter names.
        pattern: regular expression, matched at the start of a name, with the stage and the block index as its groups.

    Returns:
        One depth per stage from stage 0 on, up to the first stage without a block; ``(3, 3, 9, 3)`` for ConvNeXt-T.
    """
    depths: dict[int, int] = {}
    for stage, block in _indices(names, pattern):
        depths[stage] = max(depths.get(stage, 0), block + 1)
    stages = 0
    while stages in depths:
        stages += 1
    return tuple(depths[stage] for stage in range(stages))


def blocks_in_a_row(names: Iterable[str], pattern: str) -> tuple[int, ...]:
    """Depth of a backbone without stages, ``(12,)``; ``()`` where no name matches. One group: the block index."""
    deepest = max((block for (block,) in _indices(names, pattern)), default=None)
    return () if deepest is None else (deepest + 1,)


def _indices(names: Iterable[str], pattern: str) -> Iterable[tuple[int, ...]]:
    matcher = re.compile(pattern, re.ASCII)
    for name in names:
        if found := matcher.match(name):
            yield tuple(map(int, found.groups()))
