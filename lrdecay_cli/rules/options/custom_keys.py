"""Custom keys that match nothing or too much, and settings of theirs that are misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from lrdecay_cli.constructors import CONSTRUCTORS
from lrdecay_cli.constructors.recomputation import KeyMatches
from lrdecay_cli.rules.api import (
    PARAMWISE,
    Edit,
    Example,
    Fault,
    RuleContext,
    count,
    default_with,
    delete_option,
    key_option,
    keys_fix,
    move_option,
    nearest,
    part_with,
    rename_option,
    rule,
    set_option,
)

_TORCH_OPTIONS = ("betas", "eps", "momentum", "dampening", "nesterov", "amsgrad", "foreach", "fused", "maximize")
"""What a group may have where all groups go by the key, so that none shows what the optimizer knows."""


@rule(
    "LRD504",
    "custom-setting-misspelt",
    severity="error",
    bad=default_with("custom_keys=dict(norm=dict(decay_multi=0.0))"),
    good=default_with("custom_keys=dict(norm=dict(decay_mult=0.0))"),
)
def custom_setting_misspelt(context: RuleContext) -> Iterator[Fault]:
    """A custom key sets something that is neither a multiplier nor an option of the optimizer.

    It ends up as a field of the parameter group that nobody looks at, and the parameters keep what they had.

    A custom key may set ``lr_mult``, ``decay_mult`` and whatever the optimizer takes for a group (``betas``,
    ``momentum``). The official ViTPose-B config writes ``decay_multi`` and so decays what it means to exempt.
    """
    for key, matches in context.custom_keys.items():
        known = known_settings(context, key)
        for setting, value in matches.settings.items():
            if setting in known or setting == "_delete_":
                continue
            name = nearest(setting, known)
            yield Fault(
                f"custom key {key!r} sets {setting}={value!r}, which {context.group_map.optimizer.type} does not know",
                f"did you mean {name}={value!r}?" if name else f"remove {setting}, or set lr_mult or decay_mult",
                parameters=matches.wins,
                option=key_option(key, setting),
                severity=None if name else "warning",
                edits=[
                    rename_option(key_option(key, setting), name)
                    if name and name not in matches.settings
                    else delete_option(key_option(key, setting))
                ],
            )


def known_settings(context: RuleContext, key: str) -> set[str]:
    """What a custom key may set, as far as the map shows."""
    # Options of groups that the key did not make, and those that the config gives to the optimizer.
    own = {*context.custom_keys[key].wins}
    others = [
        {*group.options} for group in context.group_map.groups if own.isdisjoint(p.name for p in group.parameters)
    ]
    common = set.intersection(*others) if others else set()
    given = context.group_map.optimizer.options
    return {"lr_mult", "decay_mult", "lr", "weight_decay", *given, *(common or _TORCH_OPTIONS)}


_MULTIPLIERS = {option for spec in CONSTRUCTORS for option in spec.options if option.endswith("_mult")}
"""Options that belong beside ``custom_keys``."""
_PATTERN = re.compile(r"[*^$\\|?+]|\[.*\]")
_HINT = ": it is searched for as it stands, and is no glob and no regular expression"


@rule(
    "LRD505",
    "custom-key-matches-nothing",
    severity="warning",
    bad=default_with("custom_keys={'.backbone': dict(lr_mult=0.1)}"),
    good=default_with("custom_keys={'backbone': dict(lr_mult=0.1)}"),
)
def custom_key_matches_nothing(context: RuleContext) -> Iterator[Fault]:
    """A custom key is in no parameter's name.

    What it asks for never happens: a backbone that should train at a tenth of the rate trains at the full one.

    A key is plain text that must be part of a parameter's name: no glob, no regular expression. Names begin without a
    dot, so that ``.backbone`` finds nothing. A key that only exempts from weight decay and is like nothing in the model
    is an info, for configs name what some of a family's models have; where a base config has it, it is not reported.
    """
    inherited = {*context.group_map.training.inherited}
    for key, matches in context.custom_keys.items():
        if not matches.matches_nothing or key == "_delete_":
            continue
        if key in _MULTIPLIERS:
            yield Fault(
                f"{key} stands in custom_keys, where it is a key like any other and part of no parameter's name",
                f"move it to {PARAMWISE}.{key}",
                option=key_option(key),
                edits=[] if key in context.options else [move_option(key_option(key), f"{PARAMWISE}.{key}")],
            )
            continue
        from_base = f"custom_keys.{key}" in inherited
        better, globbed = _better(context, key, spelled=not from_base), _globbed(context, key)
        meant = better or globbed
        harmless = not meant and matches.settings.get("decay_mult") == 0
        # A base names what only some of its models have.
        elsewhere = not meant and from_base
        if harmless and elsewhere:
            continue
        edits = [delete_option(key_option(key))]
        if globbed:
            settings, by = matches.settings, f"replace {key!r} by"
            fix, edits = keys_fix(globbed, context.tensors, "", settings, verb=by, replaced=key)
        elif better:
            fix = f"did you mean {better!r}?"
            edits = [rename_option(key_option(key), better)]
        else:
            fix = "remove it, or give a part of a parameter's name: lrdecay inspect --by parameter lists them"
        wrong = meant and matches.settings.get("lr_mult", 1) != 1
        yield Fault(
            f"custom key {key!r} is part of no parameter's name{_HINT if _is_pattern(key) else ''}",
            fix,
            option=key_option(key),
            severity="info" if harmless or elsewhere else "error" if wrong else None,
            edits=edits,
        )


def _globbed(context: RuleContext, key: str) -> list[str]:
    """The names that the key would reach as a glob, or as a regular expression; none where it is neither."""
    inner = key.strip("*.")
    if not _is_pattern(inner):
        return []
    for patterns in () if _OF_REGEX.search(inner) else _globs(inner):
        if found := [name for name in context.tensors if any(fnmatchcase(f".{name}.", each) for each in patterns)]:
            return found
    try:
        pattern = re.compile(key)
    except re.error:
        return []
    found = [name for name in context.tensors if pattern.search(name)]
    return [] if len(found) == len(context.tensors) else found


def _is_pattern(key: str) -> bool:
    return bool(_PATTERN.search(key) or _BRACES.search(key))


def _globs(inner: str) -> Iterator[list[str]]:
    """Of whole labels first, for ``[0-2]`` means none of ``layers.10``; then of parts of labels."""
    choices = _BRACES.search(inner)
    each = choices[1].split(",") if choices else [""]
    globs = [f"{inner[: choices.start()]}{one}{inner[choices.end() :]}" for one in each] if choices else [inner]
    yield [f"*.{glob}.*" for glob in globs]
    yield [f"*.{glob.replace('.*.', '.*')}*" for glob in globs if "*" in glob]


_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_OF_REGEX = re.compile(r"[\\^$|+?()]|\.\*\w|\w\.\*")
"""What stands in no glob of names."""


def _better(context: RuleContext, key: str, *, spelled: bool) -> str | None:
    """The part of a name that was meant; ``spelled`` where it may be misspelt: that of a base is in other models."""
    for plain in (key.strip("."), re.sub(r"\.?\*+|[\^$\\]|\.\*", "", key).strip("."), key.replace("/", ".")):
        if plain and plain != key and any(plain in name for name in context.tensors):
            return plain
    if not spelled:
        return None
    paths: set[str] = set()
    for name in context.tensors:
        parts = name.split(".")
        paths.add(parts[-1])
        for start in range(min(len(parts), 3)):
            paths.update(".".join(parts[start:end]) for end in range(start + 1, min(len(parts), start + 4) + 1))
    return nearest(key, sorted(path for path in paths if len(path) <= len(key) + 8))


def _distilling(key: str, to: str) -> Example:
    return default_with(
        f"custom_keys={{{key!r}: dict(lr_mult=0.1)}}",
        model="model = dict(head=dict(type='Distilling'))\n",
        plugin=part_with("Distilling", "LinearClsHead", f"self.{to} = nn.Linear(4, 4)"),
    )


@rule(
    "LRD507",
    "custom-key-in-several-modules",
    severity="warning",
    bad=_distilling("backbone", "to_backbone"),
    good=_distilling("backbone.", "to_teacher"),
)
def custom_key_in_several_modules(context: RuleContext) -> Iterator[Fault]:
    """A custom key that names one module of the model is part of names in others too.

    Parameters that nobody thought of get the key's lr or weight decay.

    Keys are substrings: ``neck`` is in ``backbone.layer1.bottleneck``, ``head`` in ``roi_head`` and ``bn`` in
    ``subnet``. A dot behind the key (``neck.``) or a longer piece of the name tells them apart. Keys that mean a kind
    of parameter everywhere (``norm``, ``pos_embed``) are left alone.
    """
    # A model inside another one is what the constructor sees.
    own = "module." if all(name.startswith("module.") for name in context.tensors) else ""
    top = {name.removeprefix(own).partition(".")[0] for name in context.tensors}
    for key, matches in context.custom_keys.items():
        if all(value == 1 for value in matches.settings.values()):
            continue
        named = key.strip(".").partition(".")[0]
        if named in top:
            astray = [name for name in matches.wins if name.removeprefix(own).partition(".")[0] != named]
            right = f"in {named}"
        else:
            # In the middle of a word, where it is a word of its own elsewhere.
            kinds = {context.kinds.get(name) for name in matches.wins}
            of_one_kind = len(kinds) == 1 and None not in kinds
            astray = [] if of_one_kind else [name for name in matches.wins if not _is_word(key, name)]
            right = "as a word"
        if not astray or len(astray) == len(matches.wins):
            continue
        fix, edits = _fix(key, matches, astray, context.tensors)
        yield Fault(
            f"custom key {key!r} reaches {count(len(matches.wins) - len(astray), 'tensor')} {right}, "
            f"and {len(astray):,} more such as {astray[0]!r}",
            fix,
            parameters=astray,
            option=key_option(key),
            edits=edits,
        )


def _is_word(key: str, name: str) -> bool:
    """Whether the key stands somewhere in the name with no letter before or behind it."""
    for found in re.finditer(f"(?={re.escape(key)})", name):
        before, behind = name[: found.start()][-1:], name[found.start() + len(key) :][:1]
        if not (before.isalpha() and key[:1].isalpha()) and not (behind.isalpha() and key[-1:].isalpha()):
            return True
    return False


def _fix(key: str, matches: KeyMatches, astray: list[str], model: Iterable[str]) -> tuple[str, list[Edit]]:
    right = [name for name in matches.wins if name not in {*astray}]
    for longer in (f"{key}.", f".{key}.", f".{key}"):
        if all(longer in name for name in right) and not any(longer in name for name in astray):
            return f"write {longer!r}", [rename_option(key_option(key), longer)]
    # What is astray has the key as a word too: only a longer key can take it away again.
    common = _common(astray, key)
    if common:
        return f"add {common!r}: dict(lr_mult=1.0)", [set_option(key_option(common), {"lr_mult": 1.0})]
    return keys_fix(astray, model, key, {"lr_mult": 1.0})


def _common(names: list[str], key: str) -> str:
    """The shortest path that all names share and that is longer than the key; empty if there is none."""
    parts = names[0].split(".")
    for end in range(1, len(parts)):
        path = ".".join(parts[:end])
        if len(path) > len(key) and all(name.startswith(f"{path}.") for name in names):
            return path
    return ""
