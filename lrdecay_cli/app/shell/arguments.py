"""Rewrite command-line arguments before they are parsed.

Every command imports this module, even if its result is cached. Therefore this module imports as little as possible.
"""

from __future__ import annotations

import os

# Importing typing just for this name takes longer than using a cached result.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    *("inspect", "explain", "where", "diff", "check", "baseline", "rule", "suggest", "schedule", "dry-run"),
    *("run", "scan", "merge", "doctor", "schema", "cache"),
)
"""All commands, in the order of ``--help``."""
WATCH = "watch"
"""The command ``lrdecay watch``, which is short for ``lrdecay check --watch``."""
_CFG_OPTIONS = "--cfg-options"
SUFFIXES = (".py", ".json", ".yaml", ".yml", ".pth", ".pt", ".ckpt")
"""File name suffixes of configs and checkpoints.

The module ``files/config_path.py`` has the same suffixes, but is slow to import. A test compares the two.
"""


def with_command(arguments: Sequence[str]) -> list[str]:
    """Return ``arguments``. If the first argument is a path, insert a command before the path.

    The command is ``run`` for a work directory, ``check`` for another directory or a folder of a zoo, and ``inspect``
    for a config, an exported map or a checkpoint.
    """
    first = arguments[0] if arguments else ""
    if first == WATCH:
        return ["check", "--watch", *arguments[1:]]
    if first in COMMANDS or first.startswith("-") or not _looks_like_path(first):
        return [*arguments]
    if os.path.isdir(first):  # noqa: PTH112 (importing pathlib takes a good part of a cached answer)
        from lrdecay_cli.files.work_dir import is_work_dir

        return ["run" if is_work_dir(first) else "check", *arguments]
    in_zoo = "::" in first and not first.endswith(SUFFIXES)
    return ["check" if in_zoo else "inspect", *arguments]


def _looks_like_path(word: str) -> bool:
    return word.endswith(SUFFIXES) or "::" in word or "/" in word or os.sep in word or os.path.exists(word)  # noqa: PTH110


def spread_cfg_options(arguments: Sequence[str]) -> list[str]:
    """Return ``arguments`` with ``--cfg-options`` before each of its values.

    ``tools/train.py`` accepts ``--cfg-options a=1 b=2``. With click, each value needs its own ``--cfg-options``.
    """
    spread: list[str] = []
    following = False
    for argument in arguments:
        if argument == _CFG_OPTIONS:
            following = True
            continue
        if following and (argument.startswith("-") or "=" not in argument):
            # click reports an option without a value.
            if not spread or spread[-2:-1] != [_CFG_OPTIONS]:
                spread.append(_CFG_OPTIONS)
            following = False
        spread += [_CFG_OPTIONS, argument] if following else [argument]
    return [*spread, _CFG_OPTIONS] if following and arguments[-1] == _CFG_OPTIONS else spread
