"""What becomes of a config's own ``paramwise_cfg`` when another decay takes its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lrdecay_cli.constructors import CONSTRUCTORS, OURS, constructor_of
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.suggestion import Option

_DECAY = {option for spec in CONSTRUCTORS for option in spec.decay_options}
"""What a decay goes by. Their values are the proposal's own."""
_KEPT = {*OURS.options} - {*OURS.decay_options, "backbone", "custom_keys"}
"""Of lrdecay's constructor, which goes on to read them."""


def present_options(
    group_map: GroupMap, names: Sequence[str], prefix: str, *, refused: bool
) -> tuple[dict[str, Any], tuple[Option, ...], tuple[Option, ...]]:
    """Of the present options those that lrdecay's own constructor can take over, what was kept, and what was not.

    Custom keys of the head alone are kept, and so is what lrdecay's constructor has already. In the backbone the decay
    takes the place of custom keys.

    Args:
        group_map: of the config as it is.
        names: of every parameter of the model.
        prefix: what the names of the backbone's parameters start with.
        refused: whether its constructor made no groups, so that nobody can say what it would have read.
    """
    spec = constructor_of(group_map)
    ours = spec is OURS
    carried: dict[str, Any] = {}
    kept: list[Option] = []
    left_out: list[Option] = []
    for option, value in group_map.constructor.options.items():
        if option == "custom_keys" and isinstance(value, dict):
            for key, settings in value.items():
                one = _custom_key(key, settings, names, prefix)
                if _stays(one, ours=ours) and (refused or not spec.never_reads("custom_keys")):
                    carried.setdefault("custom_keys", {})[key] = settings
                    kept.append(one)
                else:
                    left_out.append(one)
        elif option in _KEPT and ours:
            carried[option] = value
            kept.append(Option(option, value, None, None))
        elif option not in _DECAY and not (ours and option == "backbone"):
            left_out.append(Option(option, value, None, None))
    return carried, tuple(kept), tuple(left_out)


def told_options(options: Sequence[Option]) -> Iterator[str]:
    """A line for each: ``custom_keys['norm'] = {'decay_mult': 0.0}  (58 tensors of the backbone, 4 others)``."""
    for one in options:
        where = ""
        if one.backbone is not None:
            counts = (
                (one.backbone, "of the backbone"),
                (one.elsewhere, "outside it" if one.backbone else "outside the backbone"),
            )
            told = [f"{count} {'tensor' if count == 1 else 'tensors'} {of}" for count, of in counts if count]
            where = f"  ({', '.join(told) or 'no name contains it'})"
        yield f"{one.name} = {one.value!r}{where}"


def _custom_key(key: Any, settings: Any, names: Sequence[str], prefix: str) -> Option:
    matched = [name for name in names if str(key) in name]
    inside = sum(name.startswith(prefix) for name in matched)
    return Option(f"custom_keys[{key!r}]", settings, inside, len(matched) - inside)


def _stays(key: Option, *, ours: bool) -> bool:
    return bool(key.elsewhere or (ours and key.backbone)) and (ours or not key.backbone)
