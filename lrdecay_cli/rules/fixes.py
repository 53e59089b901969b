"""Fixes that several rules use, as text and as edits: custom keys, and lrdecay's own constructor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lrdecay_cli.constructors import OURS, ours_beside, rate_given
from lrdecay_cli.decay.families import BACKBONE_PREFIX
from lrdecay_cli.domain.fix import (
    Edit,
    Fix,
    Keys,
    append_to,
    delete_option,
    imports_with,
    rename_option,
    set_option,
)
from lrdecay_cli.rules.context.rule_context import PARAMWISE, RuleContext
from lrdecay_cli.text.counting import listed
from lrdecay_cli.text.python_source import as_python, assignments
from lrdecay_cli.text.spelling import nearest

_LISTED = 12
"""Maximum number of keys that a fix lists in full. A fix with more keys lists only the first three."""
_MOST = 40
_NAMES, _PIECES, _TRIED = 1000, 50_000, 3000
"""Maximum numbers of parameter names, parts of names and candidate keys. A larger search would take too long."""


def key_option(key: str, setting: str = "") -> str:
    """Return the config path of a custom key, or of a setting of this key.

    For example ``optim_wrapper.paramwise_cfg.custom_keys['.bias'].lr_mult``.
    """
    path = f"{PARAMWISE}.custom_keys" + (f".{key}" if key.isidentifier() else f"[{key!r}]")
    return f"{path}.{setting}" if setting else path


def spelling_fix(
    context: RuleContext, option: Keys, name: str, settings: Mapping[str, Any], *, question: str
) -> tuple[str, Sequence[Edit | Fix]]:
    """Return a fix that corrects the name of an option, as text and as edits.

    If the correct name is inherited from a base config, the value of the misspelt option overrides the inherited value.
    If the config itself sets both names to different values, the user has to choose one value.

    Args:
        context: the map of the current config.
        option: the path of the misspelt option.
        name: the correct name, which replaces the last key of the path.
        settings: the dict that contains the misspelt option.
        question: the text of the fix if the correct name is not set.
    """
    wrong, right = str(option[-1]), (*option[:-1], name)
    if name not in settings:
        return question, [rename_option(option, name)]
    value, present = settings[wrong], settings[name]
    if value == present:
        return f"remove {wrong}: {name} already has the same value", [delete_option(option)]
    renamed = (delete_option(option), *_set_entries(right, value))
    given, other = (f"{name}{'' if isinstance(each, Mapping) else f'={as_python(each)}'}" for each in (value, present))
    if ".".join(map(str, right)).removeprefix(f"{PARAMWISE}.") in context.group_map.training.inherited:
        return f"rename {wrong}: {given} then overrides {other} of the base config", renamed
    fixes = [Fix(edits=(delete_option(option),), automatic=False), Fix(edits=renamed, automatic=False)]
    return f"remove {wrong}, or rename it: {given} instead of {other}", fixes


def _set_entries(option: Keys, value: Any) -> tuple[Edit, ...]:
    """Return edits that set an option. If the value is a dict, they set its entries and keep other entries."""
    if isinstance(value, Mapping) and value:
        return tuple(edit for key, inner in value.items() for edit in _set_entries((*option, key), inner))
    return (set_option(option, value),)


def _describe_keys(
    names: Sequence[str], keys: Sequence[str], key: str, settings: Mapping[str, Any], *, else_do: str, action: str
) -> str:
    alternative = f"; or {else_do}" if else_do else ""
    each = f"each with {as_python(settings)}"
    if not keys:
        path = names[0].rpartition(".")[0]
        longer = path if len(path) > len(key) else names[0]
        return f"{action} keys longer than {key!r}, such as {longer!r}: {as_python(settings)}{alternative}"
    if len(keys) == 1:
        return f"{action} {keys[0]!r}: {as_python(settings)}"
    if len(keys) > _LISTED:
        several = ", ".join(map(repr, keys[:3]))
        number = f"{len(keys)}" if len(keys) < _MOST else f"{_MOST} or more"
        return f"{action} {number} keys longer than {key!r} ({several}, …), {each}{alternative}"
    return f"{action} {listed(map(repr, keys))}, {each}"


def keys_fix(
    names: Sequence[str],
    model: Iterable[str],
    key: str,
    settings: Mapping[str, Any],
    *,
    else_do: str = "",
    action: str = "add",
    replaced: str = "",
) -> tuple[str, list[Edit]]:
    """Return a fix that gives parameters new settings: the fix adds custom keys that are longer than ``key``.

    The fix is returned as text and as edits. There are no edits if too many keys are needed, or if no keys are found.

    Args:
        names: the parameter names that should get the settings.
        model: all parameter names of the model.
        key: the custom key that now matches ``names``; the new keys are longer and override it.
        settings: the settings for ``names``.
        else_do: an alternative instruction. The text adds it if many keys are needed, or if no keys are found.
        action: the words before the keys in the text, such as ``add``.
        replaced: an existing key to delete.
    """
    keys = covering_keys(names, model, key)
    text = _describe_keys(names, keys, key, settings, else_do=else_do, action=action)
    if not keys or len(keys) >= _MOST:
        return text, []
    edits = [delete_option(key_option(replaced))] if replaced else []
    return text, [*edits, *(set_option(key_option(each), settings) for each in keys)]


def covering_keys(names: Sequence[str], model: Iterable[str], key: str) -> list[str]:
    """Return a few keys, longer than ``key``, that together match all ``names`` and no other name of the model.

    A key consists of whole parts of a parameter name, which are separated by dots. A key may also begin or end with a
    dot, for example ``.norm.``. The list is empty if there is no solution, and has at most ``_MOST`` keys.
    """
    if len(names) > _NAMES:
        return []
    wanted = {*names}
    others = "\n".join(name for name in model if name not in wanted)
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
    # A bare number is meaningless to a reader, and future parameters may contain it.
    fitting = [piece for piece in likeliest if piece not in others and any(map(str.isalpha, piece))]
    found: list[str] = []
    left = {*range(len(names))}
    while left and len(found) < _MOST:
        best = max(fitting, key=lambda piece: len(pieces[piece] & left), default="")
        if not best or not pieces[best] & left:
            return []
        found.append(best)
        left -= {index for index in left if best in names[index]}
    if left:
        return found
    for key in [*found]:
        others_found = [other for other in found if other != key]
        # Drop keys that longer ones override for all their names.
        if all(any(other in names[index] for other in others_found) for index in pieces[key]):
            found.remove(key)
    return found


USUAL_RATE = 0.7
"""MMDetection's decay rate for ConvNeXt, suggested if neither the config nor the groups have a decay rate."""

EXEMPTING = f"use {OURS.label}, which exempts norms, biases and 1-D tensors by itself"


def exempt_in_ours(context: RuleContext, names: Iterable[str]) -> bool:
    """Return True if lrdecay's constructor, without further options, exempts all ``names`` from weight decay."""
    return all(context.kinds.get(name) == "norm" or len(context.tensors[name].shape) == 1 for name in names)


def without_the_bases(context: RuleContext) -> dict[str, Any]:
    """Return ``{"_delete_": True}`` if new options have to replace options of a base config, else ``{}``.

    Without ``_delete_``, mmengine would merge the options of the base into the new options. If the base has no options,
    ``_delete_`` has nothing to delete, and mmengine would treat it as an option.
    """
    training = context.group_map.training
    # paramwise_cfg=None and dict(_delete_=True) replace those of a base.
    emptied = "paramwise_cfg" in training.optim_wrapper and not context.options and bool(training.from_bases)
    return {"_delete_": True} if training.inherited or emptied else {}


def in_its_place(context: RuleContext) -> str:
    """Return text for a fix that replaces the config's constructor: the name and settings of lrdecay's constructor."""
    return f"{OURS.label}: {our_settings(context, context.options)}"


def our_fix(context: RuleContext, given: Mapping[str, Any]) -> list[Fix]:
    """Return a fix that replaces the constructor by lrdecay's constructor. The user has to confirm the fix.

    Return an empty list for a backbone that lrdecay does not know, because the user then has to list its layers.
    """
    if not context.family or not context.depths:
        return []
    options = {key: value for key, value in _our_options(context, given).items() if key != "_delete_"}
    imports = [append_to("custom_imports.imports", each) for each in OURS.imports]
    constructor = set_option("optim_wrapper.constructor", ours_beside(context.group_map.constructor))
    return [Fix(edits=(*imports, constructor, set_option(PARAMWISE, options)), automatic=False)]


def plain_number(value: float) -> int | float:
    """Return a number in the form that configs use: 12 for 12.0."""
    return int(value) if value == int(value) else float(f"{value:g}")


def our_settings(context: RuleContext, given: Mapping[str, Any], *, beside: Mapping[str, Any] | None = None) -> str:
    """Return ``custom_imports`` and ``optim_wrapper`` for lrdecay's constructor, as one line of Python.

    Args:
        context: the map of the current config.
        given: a ``paramwise_cfg``. The result keeps its decay rate, decay type and custom keys.
        beside: further settings of ``optim_wrapper``.
    """
    training = context.group_map.training
    options = _our_options(context, given)
    wrapper = {**(beside or {}), "constructor": ours_beside(context.group_map.constructor), "paramwise_cfg": options}
    # A list in a config replaces the list of its base. Maps of older versions do not contain the list.
    imports = imports_with(training.custom_imports or {}, OURS.imports)
    unknown = not training.custom_imports and "custom_imports" in (training.from_bases or ())
    further = (
        "; also copy the imports from the base config's custom_imports into this custom_imports" if unknown else ""
    )
    # An unknown backbone needs a list of its layers.
    layers = (
        ""
        if context.family
        else "; if the constructor asks for layers, add the list layers=[...] that lrdecay suggest prints"
    )
    return assignments({"custom_imports": imports, "optim_wrapper": wrapper}) + further + layers


def _spelt_right(settings: Any) -> Any:
    if not isinstance(settings, Mapping):
        return settings
    known = ("lr_mult", "decay_mult")
    return {nearest(str(name), known, likeness=0.8) or name: value for name, value in settings.items()}


def _our_options(context: RuleContext, given: Mapping[str, Any]) -> dict[str, Any]:
    options = {**without_the_bases(context)}
    # A checkpoint has no options, and an option may have an unknown name: then use the groups' rate.
    rate = rate_given(given)
    if rate is None and context.observed_rate is not None:
        rate = float(f"{context.observed_rate:.6g}")
    options["decay_rate"] = USUAL_RATE if rate is None else rate
    options |= {key: given[key] for key in ("decay_type", "custom_keys") if given.get(key) not in (None, "layer_wise")}
    if isinstance(options.get("custom_keys"), Mapping):
        # The current constructor ignores custom keys; lrdecay's constructor refuses or ignores misspelt settings.
        options["custom_keys"] = {key: _spelt_right(settings) for key, settings in options["custom_keys"].items()}
    if context.prefix != BACKBONE_PREFIX:
        options["backbone"] = context.prefix.rstrip(".")
    return options
