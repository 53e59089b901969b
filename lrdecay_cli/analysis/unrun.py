"""Notes on code that runs only during training, such as hooks. Group maps do not show the effect of this code."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Note
from lrdecay_cli.domain.training import UnrunCode
from lrdecay_cli.text.counting import count, listed

_MAY = {"lr": "set an lr", "freezing": "freeze parameters", "groups": "regroup parameters"}
# A dry run executes hooks, but neither a loop's own iterations nor a strategy.
_HOOK = ("custom_hooks", "default_hooks")


def unrun_notes(maps: Sequence[GroupMap]) -> Iterator[Note]:
    """Yield a note on the hooks, loops and strategies that lrdecay does not run. It lists each class once."""
    configs: dict[str, list[str]] = {}
    hooks: list[str] = []
    for group_map in maps:
        for each in group_map.training.unrun or ():
            paths = configs.setdefault(_describe(each, several=len(maps) > 1), [])
            if group_map.config.path not in paths:
                paths.append(group_map.config.path)
            if each.option.startswith(_HOOK):
                hooks.append(group_map.config.path)
    if configs:
        in_how_many = ("" if len(maps) == 1 else f" ({count(len(found), 'config')})" for found in configs.values())
        lines = [f"{text}{number}" for text, number in zip(configs, in_how_many, strict=True)]
        config = shlex.quote(hooks[0]) if len(maps) == len(hooks) == 1 else "CONFIG"
        shown = [f"to run hooks: lrdecay dry-run {config}"] if hooks else []
        yield Note(
            "the group map does not show the effect of code that runs only during training", "info", (*lines, *shown)
        )


def _describe(each: UnrunCode, *, several: bool) -> str:
    """Return a text such as ``FreezeHook (custom_hooks[0]) may freeze parameters``.

    With ``several``, the text is about several configs and has no option in parentheses.
    """
    may = listed(_MAY[what] for what in each.may) or "change what trains"
    return f"{each.name}{'' if several else f' ({each.option})'} may {may}"
