"""Fixes that several rules propose, as text to paste into a config: custom keys, and our own constructor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lrdecay_cli.constructors import OURS, ours_beside, rate_given
from lrdecay_cli.decay.families import BACKBONE_PREFIX
from lrdecay_cli.domain.fix import Edit, Fix, append_to, delete_option, set_option
from lrdecay_cli.rules.context.rule_context import PARAMWISE, RuleContext
from lrdecay_cli.text.counting import listed
from lrdecay_cli.text.python_source import as_python, assignments
from lrdecay_cli.text.spelling import nearest

_LISTED = 12
"""So many keys are read; of more, a few are shown."""
_MOST = 40
_NAMES, _PIECES, _TRIED = 1000, 50_000, 3000
"""Of more than that, the search would take longer than a look at the model."""


def key_option(key: str, setting: str = "") -> str:
    """Path of a custom key, or of what it sets, in a config: ``optim_wrapper.paramwise_cfg.custom_keys['.bias']``."""
    path = f"{PARAMWISE}.custom_keys" + (f".{key}" if key.isidentifier() else f"[{key!r}]")
    return f"{path}.{setting}" if setting else path


def _keys_told(
    names: Sequence[str], keys: Sequence[str], key: str, settings: Mapping[str, Any], *, else_do: str, verb: str
) -> str:
    beside = f"; or {else_do}" if else_do else ""
    if not keys:
        path = names[0].rpartition(".")[0]
        longer = path if len(path) > len(key) else names[0]
        return f"keys longer than {key!r} for them, such as {longer!r}: {as_python(settings)}{beside}"
    if len(keys) == 1:
        return f"{verb} {keys[0]!r}: {as_python(settings)}"
    if len(keys) > _LISTED:
        several = ", ".join(map(repr, keys[:3]))
        number = f"{len(keys)}" if len(keys) < _MOST else f"{_MOST} or more"
        return f"{verb} {number} keys longer than {key!r} ({several}, …), each with {as_python(settings)}{beside}"
    return f"{verb} {listed(map(repr, keys))}, each with {as_python(settings)}"


def keys_fix(
    names: Sequence[str],
    model: Iterable[str],
    key: str,
    settings: Mapping[str, Any],
    *,
    else_do: str = "",
    verb: str = "add",
    replaced: str = "",
) -> tuple[str, list[Edit]]:
    """What to add to ``custom_keys`` so that ``names``, which go by ``key``, get these settings.

    A fix, and the same as edits; no edits where the keys are too many or cannot be found.

    Args:
        names: of parameters.
        model: every name that there is.
        key: the key that they go by, or a name for it to be longer than.
        settings: what they should have.
        else_do: what can be done where that takes too many keys.
        verb: what to do with the keys.
        replaced: the key that they take the place of.
    """
    keys = covering_keys(names, model, key)
    told = _keys_told(names, keys, key, settings, else_do=else_do, verb=verb)
    if not keys or len(keys) >= _MOST:
        return told, []
    edits = [delete_option(key_option(replaced))] if replaced else []
    return told, [*edits, *(set_option(key_option(each), settings) for each in keys)]


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
    # A number alone says nothing to a reader, and may be in whatever the model gets next.
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
        # What the longer keys have taken meanwhile would never count.
        if all(any(other in names[index] for other in others_found) for index in pieces[key]):
            found.remove(key)
    return found


USUAL_RATE = 0.7
"""Where neither the config nor the groups tell one: MMDetection's on ConvNeXt."""

EXEMPTING = f"use {OURS.label}, which exempts norms, biases and 1-D tensors without a key"


def exempt_in_ours(context: RuleContext, names: Iterable[str]) -> bool:
    """Whether it gives all of them weight decay 0 by itself."""
    return all(context.kinds.get(name) == "norm" or len(context.tensors[name].shape) == 1 for name in names)


def without_the_bases(context: RuleContext) -> dict[str, Any]:
    """What drops options of a base, which would stay beside new ones: ``{"_delete_": True}``, or nothing.

    Where there is nothing to drop, mmengine leaves ``_delete_`` among the options.
    """
    training = context.group_map.training
    # paramwise_cfg=None and dict(_delete_=True) are written over a base's.
    emptied = "paramwise_cfg" in training.optim_wrapper and not context.options and bool(training.from_bases)
    return {"_delete_": True} if training.inherited or emptied else {}


def in_its_place(context: RuleContext) -> str:
    """The constructor, with the settings that take the place of the present ones."""
    return f"{OURS.label}: {our_settings(context, context.options)}"


def our_fix(context: RuleContext, given: Mapping[str, Any]) -> list[Fix]:
    """:func:`our_settings` as edits, for a user to decide about; none where the layers have to be told."""
    if not context.family or not context.depths:
        return []
    options = {key: value for key, value in _our_options(context, given).items() if key != "_delete_"}
    imports = [append_to("custom_imports.imports", each) for each in OURS.imports]
    constructor = set_option("optim_wrapper.constructor", ours_beside(context.group_map.constructor))
    return [Fix(edits=(*imports, constructor, set_option(PARAMWISE, options)), automatic=False)]


def plain_number(value: float) -> int | float:
    """A number as configs write it: 12 for 12.0."""
    return int(value) if value == int(value) else float(f"{value:g}")


def our_settings(context: RuleContext, given: Mapping[str, Any], *, beside: Mapping[str, Any] | None = None) -> str:
    """``custom_imports`` and ``optim_wrapper`` on one line.

    Args:
        context: the map of the config as it is.
        given: a ``paramwise_cfg``; its rate, its type of decay and its custom keys are kept.
        beside: what else there is to say in ``optim_wrapper``.
    """
    training = context.group_map.training
    options = _our_options(context, given)
    wrapper = {**(beside or {}), "constructor": ours_beside(context.group_map.constructor), "paramwise_cfg": options}
    further = "; keep what custom_imports has besides" if "custom_imports" in (training.from_bases or ()) else ""
    # Of a backbone that it does not know, the names of its layers have to be told.
    layers = "" if context.family else "; layers=[...] if it asks for them: lrdecay suggest"
    return assignments({"custom_imports": {"imports": [*OURS.imports]}, "optim_wrapper": wrapper}) + further + layers


def _spelt_right(settings: Any) -> Any:
    if not isinstance(settings, Mapping):
        return settings
    known = ("lr_mult", "decay_mult")
    return {nearest(str(name), known, likeness=0.8) or name: value for name, value in settings.items()}


def _our_options(context: RuleContext, given: Mapping[str, Any]) -> dict[str, Any]:
    options = {**without_the_bases(context)}
    # A checkpoint does not tell the options, nor an option of another name the rate: then the groups do.
    rate = rate_given(given)
    if rate is None and context.observed_rate is not None:
        rate = float(f"{context.observed_rate:.6g}")
    options["decay_rate"] = USUAL_RATE if rate is None else rate
    options |= {key: given[key] for key in ("decay_type", "custom_keys") if given.get(key) not in (None, "layer_wise")}
    if isinstance(options.get("custom_keys"), Mapping):
        # Nothing read them so far: ours would refuse or ignore what is misspelt.
        options["custom_keys"] = {key: _spelt_right(settings) for key, settings in options["custom_keys"].items()}
    if context.prefix != BACKBONE_PREFIX:
        options["backbone"] = context.prefix.rstrip(".")
    return options
