"""Arguments as OpenMMLab users type them."""

from __future__ import annotations

from collections.abc import Sequence

_OPTION = "--cfg-options"


def spread_cfg_options(arguments: Sequence[str]) -> list[str]:
    """Put ``--cfg-options`` before each of the values that follow one.

    ``tools/train.py`` takes ``--cfg-options a=1 b=2``; click options take one value each.
    """
    spread: list[str] = []
    following = False
    for argument in arguments:
        if argument == _OPTION:
            following = True
            continue
        if following and (argument.startswith("-") or "=" not in argument):
            # The option without a value is left for click to complain about.
            if not spread or spread[-2:-1] != [_OPTION]:
                spread.append(_OPTION)
            following = False
        spread += [_OPTION, argument] if following else [argument]
    return [*spread, _OPTION] if following and arguments[-1] == _OPTION else spread
