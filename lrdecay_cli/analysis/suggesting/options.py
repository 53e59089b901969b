"""Choose the options of ``paramwise_cfg`` that a suggestion keeps, and list the layers of an unknown backbone."""

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
"""Names of all options that define a layer decay. The suggestion sets these options itself."""
_KEPT = {*OURS.options} - {*OURS.decay_options, "backbone", "custom_keys"}
"""Options of lrdecay's own constructor that a suggestion keeps. Custom keys are kept or dropped one by one."""


def backbone_prefix(group_map: GroupMap) -> str:
    """Return the prefix of the backbone's parameter names. Raises LrdecayError for a model without a backbone."""
    trained = {parameter.name for _, parameter in group_map.grouped() if parameter.requires_grad}
    paths = [path for path in group_map.modules if path.split(".")[-1] == "backbone" or ".backbone." in f".{path}."]
    for path in paths:
        root = f"{f'.{path}.'.partition('.backbone.')[0]}.backbone."[1:]
        if any(name.startswith(root) for name in trained):
            return root
    if any(name.startswith(BACKBONE_PREFIX) for name in trained):
        return BACKBONE_PREFIX
    raise LrdecayError("layer decay needs a trainable backbone, but the model has none", where=group_map.config.path)


class PresentOptions(NamedTuple):
    """The options of a config that a suggestion keeps, and those that it drops. Omits options of the layer decay."""

    carried: dict[str, Any]
    """The kept options, as a ``paramwise_cfg`` for lrdecay's own constructor."""
    kept: tuple[Option, ...]
    left_out: tuple[Option, ...]
    covering: tuple[str, ...]
    """Kept custom keys with an ``lr_mult`` for the whole backbone."""


def present_options(group_map: GroupMap, names: Sequence[str], prefix: str, *, refused: bool) -> PresentOptions:
    """Return which current options of the config a suggestion keeps, and which it drops.

    It keeps the custom keys and options of lrdecay's own constructor. Of another constructor, it keeps custom keys
    outside the backbone, and an ``lr_mult`` of the whole backbone, without which the backbone would train faster. It
    drops other custom keys of the backbone, because the layer decay replaces them.

    Args:
        group_map: the group map of the config without the suggestion.
        names: the names of all parameters of the model.
        prefix: the prefix of the backbone's parameter names.
        refused: True if the config's constructor raised an error. It is then unknown which options it reads.
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
                present = _custom_key(key, settings, names, prefix)
                taken = not spec.never_reads("custom_keys") or refused
                if taken and not ours and present.backbone == inside and _changes_lr(settings):
                    lr_mult, rest = _split(settings)
                    carried.setdefault("custom_keys", {})[key] = lr_mult
                    kept.append(structs.replace(present, value=lr_mult))
                    left_out += [structs.replace(present, value=rest)] if rest else []
                    covering.append(key)
                elif _stays(present, ours=ours) and taken:
                    carried.setdefault("custom_keys", {})[key] = settings
                    kept.append(present)
                else:
                    left_out.append(present)
        elif option in _KEPT and ours:
            carried[option] = value
            kept.append(Option(option, value, None, None))
        elif option not in _DECAY and not (ours and option == "backbone"):
            left_out.append(Option(option, value, None, None))
    return PresentOptions(carried, tuple(kept), tuple(left_out), tuple(covering))


def option_lines(options: Sequence[Option]) -> Iterator[str]:
    """Yield one line for each option.

    For example, ``custom_keys['norm'] = {'decay_mult': 0.0}  (58 tensors of the backbone, 4 tensors outside it)``.
    """
    for present in options:
        where = ""
        if present.backbone is not None:
            counts = (
                (present.backbone, "of the backbone"),
                (present.elsewhere, "outside it" if present.backbone else "outside the backbone"),
            )
            texts = [f"{count} {'tensor' if count == 1 else 'tensors'} {of}" for count, of in counts if count]
            where = f"  ({', '.join(texts) or 'no name contains it'})"
        yield f"{present.name} = {present.value!r}{where}"


def _custom_key(key: Any, settings: Any, names: Sequence[str], prefix: str) -> Option:
    matched = [name for name in names if str(key) in name]
    inside = sum(name.startswith(prefix) for name in matched)
    return Option(f"custom_keys[{key!r}]", settings, inside, len(matched) - inside)


def _stays(key: Option, *, ours: bool) -> bool:
    return bool(key.elsewhere or (ours and key.backbone)) and (ours or not key.backbone)


def _changes_lr(settings: Any) -> bool:
    """True if a custom key has an ``lr_mult`` other than 1."""
    lr_mult = settings.get("lr_mult", 1) if isinstance(settings, Mapping) else 1
    return isinstance(lr_mult, (int, float)) and lr_mult != 1


def _split(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return two dicts for a custom key that matches the whole backbone: settings to keep, and settings to drop.

    Only ``lr_mult`` and a ``decay_mult`` of 0 are kept. Any other ``decay_mult`` would give weight decay to norms too.
    """
    kept = {"lr_mult", *(("decay_mult",) if settings.get("decay_mult") == 0 else ())}
    stays = {name: value for name, value in settings.items() if name in kept}
    return stays, {name: value for name, value in settings.items() if name not in stays}


_NUMBERED = r"(\d+)"
# Fewer layers hardly decay.
_FEWEST = 3


def layers_to_list(group_map: GroupMap) -> str:
    """Return a fix for a backbone whose order of layers is unknown: a draft of the option ``layers``.

    The draft lists the modules in the order in which they are registered. The user has to check that this is also the
    order of the layers. Tokens and position embeddings belong to the first layer. Modules that were added to a
    pretrained backbone form the last layer, so that the blocks keep their layer ids.
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
    fix = f"list the layers from the stem up in paramwise_cfg of {OURS.label}"
    if len(layers) < _FEWEST and not any(_NUMBERED in layer for layer in layers):
        return fix
    return f"{fix}; as they are registered: layers=[{', '.join(layers)}]"


def inner_backbone(group_map: GroupMap) -> str:
    """Return the path of the innermost single module that contains all parameters of the backbone.

    For MMPretrain's ``TIMMBackbone``, this is ``backbone.timm_model``. The result is empty if there is no such module.
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
        # A list of blocks has several children, and a direct parameter has no dot.
        if len(children) != 1 or ("." not in (only := "".join(*children))):
            return prefix
        prefix += only


def _layers(group_map: GroupMap, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield two values for each parameter of the backbone: a regular expression, and the parameter's name.

    The expression matches the child of the backbone that contains the parameter, such as ``norm3``. If the child is a
    list of modules, the expression matches the entry of the list.
    """
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
            # Patterns match from the start of a name: stages_1 must not match stages_10.
            pattern += r"\." if rest else "$"
        yield pattern, name.removeprefix(inner)


def _either(patterns: Sequence[str]) -> str:
    return patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"


def _python(pattern: str) -> str:
    return f"r'{pattern}'" if "\\" in pattern else repr(pattern)
