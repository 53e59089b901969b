"""Custom keys as a config has them, and those that reach just the parameters that are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lrdecay_cli.rules.context.rule_context import PARAMWISE
from lrdecay_cli.text.counting import listed
from lrdecay_cli.text.python_source import as_python

_LISTED = 12
"""So many keys are read; of more, a few are shown."""
_MOST = 40
_NAMES, _PIECES, _TRIED = 1000, 50_000, 3000
"""Of more than that, the search would take longer than a look at the model."""


def key_option(key: str, setting: str = "") -> str:
    """Path of a custom key, or of what it sets, in a config: ``optim_wrapper.paramwise_cfg.custom_keys['.bias']``."""
    path = f"{PARAMWISE}.custom_keys" + (f".{key}" if key.isidentifier() else f"[{key!r}]")
    return f"{path}.{setting}" if setting else path


def longer_key(parameter: str, key: str) -> str:
    """A custom key for a parameter that counts before ``key``: the path of its module, or its name."""
    path = parameter.rpartition(".")[0]
    return path if len(path) > len(key) else parameter


def keys_told(
    names: Sequence[str],
    model: Iterable[str],
    key: str,
    settings: Mapping[str, Any],
    *,
    else_do: str = "",
    verb: str = "add",
) -> str:
    """What to add to ``custom_keys`` so that ``names``, which go by ``key``, get these settings: a remedy.

    Args:
        names: of parameters.
        model: every name that there is.
        key: the key that they go by, or a name for it to be longer than.
        settings: what they should have.
        else_do: what can be done where that takes too many keys.
        verb: what to do with the keys.
    """
    beside = f"; or {else_do}" if else_do else ""
    keys = covering_keys(names, model, key)
    if not keys:
        return (
            f"keys longer than {key!r} for them, such as {longer_key(names[0], key)!r}: {as_python(settings)}{beside}"
        )
    if len(keys) == 1:
        return f"{verb} {keys[0]!r}: {as_python(settings)}"
    if len(keys) > _LISTED:
        several = ", ".join(map(repr, keys[:3]))
        number = f"{len(keys)}" if len(keys) < _MOST else f"{_MOST} or more"
        return f"{verb} {number} keys longer than {key!r} ({several}, …), each with {as_python(settings)}{beside}"
    return f"{verb} {listed(map(repr, keys))}, each with {as_python(settings)}"


def covering_keys(names: Sequence[str], model: Iterable[str], key: str) -> list[str]:
    """Few keys that are in ``names`` and in no other name of the model, all longer than ``key``.

    Each is a piece of a name from dot to dot, with the dots where that tells it from others. At most ``_MOST`` of
    them; none where that cannot be done.
    """
    if len(names) > _NAMES:
        return []
    meant = {*names}
    others = "\n".join(name for name in model if name not in meant)
    pieces: dict[str, set[int]] = {}
    if sum((name.count(".") + 1) ** 2 for name in names) > _PIECES:
        return []
    for index, name in enumerate(names):
        labels = name.split(".")
        for start in range(len(labels)):
            for end in range(start + 1, len(labels) + 1):
                piece = ".".join(labels[start:end])
                before, behind = "." if start > 0 else "", "." if end < len(labels) else ""
                for longer in {piece, f"{before}{piece}", f"{piece}{behind}", f"{before}{piece}{behind}"}:
                    if len(longer) > len(key):
                        pieces.setdefault(longer, set()).add(index)
    likeliest = sorted(pieces, key=lambda piece: (-len(pieces[piece]), len(piece), piece))[:_TRIED]
    fitting = [piece for piece in likeliest if piece not in others]
    found: list[str] = []
    left = {*range(len(names))}
    while left and len(found) < _MOST:
        best = max(fitting, key=lambda piece: len(pieces[piece] & left), default="")
        if not best or not pieces[best] & left:
            return []
        found.append(best)
        left -= {index for index in left if best in names[index]}
    return found
