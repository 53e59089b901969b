"""A config's own options beside a suggested decay: the present ``paramwise_cfg``, and layers to list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import structs

from lrdecay_cli.constructors import CONSTRUCTORS, OURS, constructor_of
from lrdecay_cli.decay.families import BACKBONE_PREFIX
from lrdecay_cli.decay.parameter_kinds import is_new_beside, kind_of
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.suggestion import Option

_DECAY = {option for spec in CONSTRUCTORS for option in spec.decay_options}
"""What a decay goes by. Their values are the proposal's own."""
_KEPT = {*OURS.options} - {*OURS.decay_options, "backbone", "custom_keys"}
"""Of lrdecay's constructor, which goes on to read them."""


def backbone_prefix(group_map: GroupMap) -> str:
    """What the names of the backbone's parameters start with. Raises LrdecayError for a model without a backbone."""
    trained = {parameter.name for _, parameter in group_map.grouped() if parameter.requires_grad}
    paths = [path for path in group_map.modules if path.split(".")[-1] == "backbone" or ".backbone." in f".{path}."]
    for path in paths:
        root = f"{f'.{path}.'.partition('.backbone.')[0]}.backbone."[1:]
        if any(name.startswith(root) for name in trained):
            return root
    if any(name.startswith(BACKBONE_PREFIX) for name in trained):
        return BACKBONE_PREFIX
    raise LrdecayError(
        "the model has no backbone that is trained, so there are no layers to decay", where=group_map.config.path
    )


class PresentOptions(NamedTuple):
    """The options that a config has beside its decay, and what becomes of them."""

    carried: dict[str, Any]
    """What lrdecay's own constructor takes over."""
    kept: tuple[Option, ...]
    left_out: tuple[Option, ...]
    covering: tuple[str, ...]
    """Custom keys among the kept that hold an ``lr_mult`` for the whole backbone."""


def present_options(group_map: GroupMap, names: Sequence[str], prefix: str, *, refused: bool) -> PresentOptions:
    """Of the present options those that lrdecay's own constructor can take over, what was kept, and what was not.

    Custom keys of the head alone are kept, and so is what lrdecay's constructor has already. An ``lr_mult`` of the
    whole backbone stays beside the decay, which it multiplies: without it the backbone would train faster than it does.
    Of other custom keys in the backbone the decay takes the place.

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
    covering: list[str] = []
    inside = sum(name.startswith(prefix) for name in names)
    for option, value in group_map.constructor.options.items():
        if option == "custom_keys" and isinstance(value, dict):
            for key, settings in value.items():
                one = _custom_key(key, settings, names, prefix)
                taken = not spec.never_reads("custom_keys") or refused
                if taken and not ours and one.backbone == inside and _slows(settings):
                    lr_mult, rest = _split(settings)
                    carried.setdefault("custom_keys", {})[key] = lr_mult
                    kept.append(structs.replace(one, value=lr_mult))
                    left_out += [structs.replace(one, value=rest)] if rest else []
                    covering.append(key)
                elif _stays(one, ours=ours) and taken:
                    carried.setdefault("custom_keys", {})[key] = settings
                    kept.append(one)
                else:
                    left_out.append(one)
        elif option in _KEPT and ours:
            carried[option] = value
            kept.append(Option(option, value, None, None))
        elif option not in _DECAY and not (ours and option == "backbone"):
            left_out.append(Option(option, value, None, None))
    return PresentOptions(carried, tuple(kept), tuple(left_out), tuple(covering))


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


def _slows(settings: Any) -> bool:
    """Whether a custom key has an ``lr_mult`` that changes something."""
    lr_mult = settings.get("lr_mult", 1) if isinstance(settings, Mapping) else 1
    return isinstance(lr_mult, (int, float)) and lr_mult != 1


def _split(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stays of a key of the whole backbone, and what does not: a ``decay_mult`` would decay norm layers, too."""
    kept = {"lr_mult", *(("decay_mult",) if settings.get("decay_mult") == 0 else ())}
    stays = {name: value for name, value in settings.items() if name in kept}
    return stays, {name: value for name, value in settings.items() if name not in stays}


_NUMBERED = r"(\d+)"
# With fewer there is hardly a decay.
_FEWEST = 3


def layers_to_list(group_map: GroupMap) -> str:
    """What to do where nothing tells how the layers of a model's backbone follow each other, as a fix.

    Whether modules run in the order of their registration is for the reader to say. Tokens and positions of the
    backbone itself go with its first layer. What is added to a pretrained backbone is one layer, the last, so that the
    blocks keep their places.
    """
    patterns: dict[str, str] = {}
    for pattern, own in _layers(group_map, backbone_prefix(group_map)):
        patterns.setdefault(pattern, own)
    new = [pattern for pattern, own in patterns.items() if is_new_beside(own)]
    tokens = [
        pattern
        for pattern, own in patterns.items()
        if pattern not in new and "." not in own and kind_of(own, None, ()) in ("token", "position")
    ]
    rows = [pattern for pattern in patterns if pattern not in (*new, *tokens)]
    layers = [*map(_python, [_either([*tokens, *rows[:1]]), *rows[1:]] if rows else tokens)]
    layers += [_python(_either([pattern.replace("(", "(?:") for pattern in new]))] if new else []
    fix = f"list them from the stem up in paramwise_cfg of {OURS.label}"
    if len(layers) < _FEWEST and not any(_NUMBERED in layer for layer in layers):
        return fix
    return f"{fix}; as they are registered: layers=[{', '.join(layers)}]"


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


def _layers(group_map: GroupMap, prefix: str) -> Iterator[tuple[str, str]]:
    """For each parameter a regular expression and its name: its child of the backbone, by number where it is a list."""
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
        yield pattern, name.removeprefix(inner)


def _either(patterns: Sequence[str]) -> str:
    return patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"


def _python(pattern: str) -> str:
    return f"r'{pattern}'" if "\\" in pattern else repr(pattern)
