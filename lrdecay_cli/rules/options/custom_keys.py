"""Rules about custom keys that match no parameter, match too many parameters, or have wrong settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from lrdecay_cli.constructors import CONSTRUCTORS
from lrdecay_cli.constructors.recomputation import KeyMatches
from lrdecay_cli.domain.fix import keys_of_path
from lrdecay_cli.rules.api import (
    PARAMWISE,
    Edit,
    Example,
    Fault,
    Fix,
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
    spelling_fix,
)

_TORCH_OPTIONS = ("betas", "eps", "momentum", "dampening", "nesterov", "amsgrad", "foreach", "fused", "maximize")
"""Optimizer options that a custom key may set, if the custom key applies to parameters in every group.

If the key does not apply to some groups, the options of these groups show what the key may set.
"""


@rule(
    "LRD504",
    "custom-setting-misspelt",
    severity="error",
    also=("warning",),
    bad=default_with("custom_keys=dict(norm=dict(decay_multi=0.0))"),
    good=default_with("custom_keys=dict(norm=dict(decay_mult=0.0))"),
)
def custom_setting_misspelt(context: RuleContext) -> Iterator[Fault]:
    """A custom key sets a field that is neither a multiplier nor an option of the optimizer.

    mmengine stores the unknown field in the parameter group, but the optimizer ignores it. The lr and the weight decay
    stay unchanged. For example, the official ViTPose-B config writes ``decay_multi`` instead of ``decay_mult``, and
    therefore gives weight decay to parameters that should be exempt.

    A custom key may set ``lr_mult``, ``decay_mult`` and options that the optimizer accepts per group (``betas``,
    ``momentum``).
    """
    for key, matches in context.custom_keys.items():
        known = known_settings(context, key)
        for setting, value in matches.settings.items():
            if setting in known or setting == "_delete_":
                continue
            name = nearest(setting, known)
            fix = f"remove {setting}, or set lr_mult or decay_mult"
            edits: Sequence[Edit | Fix] = [delete_option(key_option(key, setting))]
            if name:
                question, path = f"did you mean {name}={value!r}?", keys_of_path(key_option(key, setting))
                fix, edits = spelling_fix(context, path, name, matches.settings, question=question)
            yield Fault(
                f"custom key {key!r} sets {setting}={value!r}, which {context.group_map.optimizer.type} ignores",
                fix,
                parameters=matches.wins,
                option=key_option(key, setting),
                severity=None if name else "warning",
                edits=edits,
            )


def known_settings(context: RuleContext, key: str) -> set[str]:
    """Return the names of the settings that a custom key may have.

    The settings are the multipliers, the options of the optimizer in the config, and every option that all other groups
    have. Other groups are groups without a parameter to which the key applies.
    """
    # Options of groups that the key did not create, and the optimizer's options in the config.
    own = {*context.custom_keys[key].wins}
    others = [
        {*group.options} for group in context.group_map.groups if own.isdisjoint(p.name for p in group.parameters)
    ]
    common = set.intersection(*others) if others else set()
    given = context.group_map.optimizer.options
    return {"lr_mult", "decay_mult", "lr", "weight_decay", *given, *(common or _TORCH_OPTIONS)}


_MULTIPLIERS = {option for spec in CONSTRUCTORS for option in spec.options if option.endswith("_mult")}
"""Options such as ``bias_lr_mult``, which have an effect in ``paramwise_cfg`` but not in ``custom_keys``."""
_PATTERN = re.compile(r"[*^$\\|?+]|\[.*\]")
_HINT = ": keys are plain text, not globs or regular expressions"


@rule(
    "LRD505",
    "custom-key-matches-nothing",
    severity="warning",
    also=("error", "info"),
    bad=default_with("custom_keys={'.backbone': dict(lr_mult=0.1)}"),
    good=default_with("custom_keys={'backbone': dict(lr_mult=0.1)}"),
)
def custom_key_matches_nothing(context: RuleContext) -> Iterator[Fault]:
    """A custom key matches no parameter name.

    The settings of the custom key never apply. For example, a backbone that should train at a tenth of the lr trains at
    the full lr.

    A custom key must be a substring of a parameter name. It is plain text, not a glob or a regular expression.
    Parameter names have no leading dot, so ``.backbone`` matches nothing.

    Configs often list custom keys for a whole model family, so a key that resembles no parameter name may be intended.
    The finding is then an info if the key sets weight decay to 0, or if the key comes from a base config. If both are
    true, LRD505 does not report the key.
    """
    inherited = {*context.group_map.training.inherited}
    for key, matches in context.custom_keys.items():
        if not matches.matches_nothing or key == "_delete_":
            continue
        if key in _MULTIPLIERS:
            yield Fault(
                f"{key} in custom_keys is read as a custom key, which matches no parameter name",
                f"move it to {PARAMWISE}.{key}",
                option=key_option(key),
                edits=[] if key in context.options else [move_option(key_option(key), f"{PARAMWISE}.{key}")],
            )
            continue
        from_base = f"custom_keys.{key}" in inherited
        better, globbed = _better(context, key, spelled=not from_base), _globbed(context, key)
        suggestion = better or globbed
        harmless = not suggestion and matches.settings.get("decay_mult") == 0
        # A base may list keys that only some of its models have.
        elsewhere = not suggestion and from_base
        if harmless and elsewhere:
            continue
        edits = [delete_option(key_option(key))]
        if globbed:
            settings, action = matches.settings, f"replace {key!r} by"
            fix, edits = keys_fix(globbed, context.tensors, "", settings, action=action, replaced=key)
        elif better:
            fix = f"did you mean {better!r}?"
            edits = [rename_option(key_option(key), better)]
        else:
            fix = "remove the key, or use part of a parameter name: lrdecay inspect --by parameter lists the names"
        wrong = suggestion and matches.settings.get("lr_mult", 1) != 1
        yield Fault(
            f"custom key {key!r} matches no parameter name{_HINT if _is_pattern(key) else ''}",
            fix,
            option=key_option(key),
            severity="info" if harmless or elsewhere else "error" if wrong else None,
            edits=edits,
        )


def _globbed(context: RuleContext, key: str) -> list[str]:
    """Return the parameter names that a key would match as a glob or regular expression; empty for plain text."""
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
    """Yield two lists of globs for a custom key, for names such as ``layers.10.weight``.

    The first list matches whole words between dots, the second list also parts of words. The caller begins with the
    first list, because ``[0-2]`` should not match ``layers.10``.
    """
    choices = _BRACES.search(inner)
    options = choices[1].split(",") if choices else [""]
    globs = [f"{inner[: choices.start()]}{each}{inner[choices.end() :]}" for each in options] if choices else [inner]
    yield [f"*.{glob}.*" for glob in globs]
    yield [f"*.{glob.replace('.*.', '.*')}*" for glob in globs if "*" in glob]


_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_OF_REGEX = re.compile(r"[\\^$|+?()]|\.\*\w|\w\.\*")
"""Syntax that occurs in regular expressions, but not in globs of names."""


def _better(context: RuleContext, key: str, *, spelled: bool) -> str | None:
    """Return the part of a parameter name that the user probably intended with this key; None if there is none.

    The function first changes dots, slashes and wildcards in the key. If this gives no part of a name and ``spelled``
    is True, the function searches for a similar spelling. ``spelled`` is False for a key from a base config, because
    such a key may be correct for other models.
    """
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
    """A custom key that names one module of the model also matches names in other modules.

    Parameters outside the intended module get the lr or weight decay of the custom key.

    A custom key matches any name that contains it: ``neck`` matches ``backbone.layer1.bottleneck``, ``head`` matches
    ``roi_head``, and ``bn`` matches ``subnet``. Add a dot to the key (``neck.``) or use a longer part of the name.
    LRD507 does not report a key such as ``norm``, which matches the same kind of parameter in all modules.
    """
    # The constructor may see a model inside another one.
    own = "module." if all(name.startswith("module.") for name in context.tensors) else ""
    top = {name.removeprefix(own).partition(".")[0] for name in context.tensors}
    for key, matches in context.custom_keys.items():
        if all(value == 1 for value in matches.settings.values()):
            continue
        named = key.strip(".").partition(".")[0]
        if named in top:
            astray = [name for name in matches.wins if name.removeprefix(own).partition(".")[0] != named]
            intended = f"of {named}"
        else:
            # Inside a word here, a whole word elsewhere.
            kinds = {context.kinds.get(name) for name in matches.wins}
            of_one_kind = len(kinds) == 1 and None not in kinds
            astray = [] if of_one_kind else [name for name in matches.wins if not _is_word(key, name)]
            intended = "as a whole word"
        if not astray or len(astray) == len(matches.wins):
            continue
        fix, edits = _fix(key, matches, astray, context.tensors)
        yield Fault(
            f"custom key {key!r} matches {count(len(matches.wins) - len(astray), 'tensor')} {intended} "
            f"and {len(astray):,} others, such as {astray[0]!r}",
            fix,
            parameters=astray,
            option=key_option(key),
            edits=edits,
        )


def _is_word(key: str, name: str) -> bool:
    """Return True if the key occurs in the name without a letter directly before or after it."""
    for found in re.finditer(f"(?={re.escape(key)})", name):
        before, behind = name[: found.start()][-1:], name[found.start() + len(key) :][:1]
        if not (before.isalpha() and key[:1].isalpha()) and not (behind.isalpha() and key[-1:].isalpha()):
            return True
    return False


def _fix(key: str, matches: KeyMatches, astray: list[str], model: Iterable[str]) -> tuple[str, list[Edit]]:
    intended = [name for name in matches.wins if name not in {*astray}]
    for longer in (f"{key}.", f".{key}.", f".{key}"):
        if all(longer in name for name in intended) and not any(longer in name for name in astray):
            return f"write {longer!r}", [rename_option(key_option(key), longer)]
    # The other names contain the key as a word too: only a longer key can override it for them.
    common = _common(astray, key)
    if common:
        return f"add {common!r}: dict(lr_mult=1.0)", [set_option(key_option(common), {"lr_mult": 1.0})]
    return keys_fix(astray, model, key, {"lr_mult": 1.0})


def _common(names: list[str], key: str) -> str:
    """Return the path of the outermost module that contains all parameters ``names``, for example ``backbone.layer1``.

    The path must be longer than ``key``, because the longest key applies. Return "" if there is no such module.
    """
    parts = names[0].split(".")
    for end in range(1, len(parts)):
        path = ".".join(parts[:end])
        if len(path) > len(key) and all(name.startswith(f"{path}.") for name in names):
            return path
    return ""
