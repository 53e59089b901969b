"""Rules about entries of ``custom_keys`` that override each other or another option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lrdecay_cli.constructors.recomputation import KeyMatches
from lrdecay_cli.rules.api import (
    EXEMPTING,
    Edit,
    Example,
    Fault,
    RuleContext,
    as_python,
    count,
    default_with,
    delete_option,
    exempt_in_ours,
    key_option,
    keys_fix,
    listed,
    nearest,
    number_or_none,
    part_with,
    rename_option,
    rule,
    set_option,
    verb,
)
from lrdecay_cli.rules.options.custom_keys import known_settings


@rule(
    "LRD506",
    "custom-key-shadowed",
    severity="warning",
    also=("info",),
    bad=Example(
        "optim_wrapper = dict(constructor='$DEFAULT',\n"
        "    paramwise_cfg=dict(_delete_=True,\n"
        "        custom_keys={'backbone': dict(lr_mult=0.1), 'norm': dict(decay_mult=0.0)}))"
    ),
    good=default_with(
        "custom_keys={\n"
        "        'backbone': dict(lr_mult=0.1),\n"
        "        'backbone.norm': dict(lr_mult=0.1, decay_mult=0.0),\n"
        "        '.norm.weight': dict(lr_mult=0.1, decay_mult=0.0),\n"
        "        '.norm.bias': dict(lr_mult=0.1, decay_mult=0.0)}"
    ),
)
def custom_key_shadowed(context: RuleContext) -> Iterator[Fault]:
    """A longer custom key overrides a shorter key for some parameters and drops the settings of the shorter key.

    For each parameter, mmengine applies only the longest custom key that the parameter's name contains. It ignores the
    settings of all shorter keys and does not merge them.

    With ``custom_keys={'backbone': dict(lr_mult=0.1), 'norm': dict(decay_mult=0)}`` the backbone's norms get weight
    decay, because ``backbone`` is longer than ``norm``. With the longer key
    ``'backbone.norm': dict(decay_mult=0)`` instead of ``'norm'``, these norms are exempt from weight decay, but they
    train at the full lr.

    Each parameter is in at most one finding. If several overridden keys set the same field, the fix restores the value
    of the longest of these keys, or of a shorter key that matches only a part of the longer key's parameters.

    If two custom keys of equal length match a parameter, mmengine applies the first key in alphabetical order. LRD506
    does not report a longer key that matches fewer parameters and sets the same fields, because it overrides the
    shorter key on purpose.
    """
    # One fault for each key that overrides others, and each set of tensors that lose the same settings.
    losses = _losses(context)
    reported = {key for loss in losses for key in loss.keys}
    for loss in losses:
        first = context.custom_keys[loss.keys[0]]
        if len(loss.keys) == 1:
            every = not first.wins and len(loss.names) == len(first.overridden)
            part = "all" if every else f"{len(loss.names):,} of"
            overridden = f"{part} its {count(len(first.wins) + len(first.overridden), 'tensor')}"
        else:
            overridden = count(len(loss.names), "tensor")
        settings = ", ".join(f"{setting}={value!r}" for setting, value in loss.dropped.items())
        lengths = len(loss.winner), len(first.key)
        length = "longer" if lengths[0] > lengths[1] else "shorter" if lengths[0] < lengths[1] else "earlier"
        fix, edits = _fix(context, loss, losses)
        yield Fault(
            f"the {length} custom key {loss.winner!r} overrides {listed(map(repr, loss.keys))} for {overridden},"
            f" so these tensors lose {settings}",
            fix,
            parameters=loss.names,
            option=key_option(loss.keys[0]),
            edits=edits,
        )
    for key, matches in context.custom_keys.items():
        known = known_settings(context, key)
        if matches.overridden and not matches.wins and key not in reported and known.issuperset(matches.settings):
            yield Fault(
                f"custom key {key!r} is unused: longer keys override it for all "
                f"{count(len(matches.overridden), 'tensor')} that it matches",
                f"remove {key!r}",
                parameters=matches.overridden,
                option=key_option(key),
                severity="info",
                edits=[delete_option(key_option(key))],
            )


class _Loss(NamedTuple):
    """Settings that parameters lose because mmengine applies one of several matching keys."""

    winner: str
    """The key that mmengine applies to the parameters."""
    sources: Mapping[str, str]
    """For each lost setting, such as ``lr_mult``, the overridden key that sets it."""
    dropped: Mapping[str, Any]
    """The values of the lost settings."""
    names: list[str]
    """The parameters, in the model's order."""

    @property
    def keys(self) -> list[str]:
        """The overridden keys whose settings are lost."""
        return list(dict.fromkeys(self.sources.values()))


def _losses(context: RuleContext) -> list[_Loss]:
    """Return the settings that parameters lose. Each parameter is in at most one item."""
    matching: dict[str, tuple[str, ...]] = {}
    for key, matches in context.custom_keys.items():
        for name in (*matches.wins, *matches.overridden):
            matching[name] = (*matching.get(name, ()), key)
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in context.in_model_order(matching):
        alike.setdefault(matching[name], []).append(name)
    found: dict[tuple[str, ...], _Loss] = {}
    for keys, names in alike.items():
        if sources := _sources(context, keys):
            dropped = {setting: context.custom_keys[key].settings[setting] for setting, key in sources.items()}
            loss = found.setdefault((keys[0], *sources, *sources.values()), _Loss(keys[0], sources, dropped, []))
            loss.names.extend(names)
    order = [*context.custom_keys]
    losses = (loss._replace(names=[*context.in_model_order(loss.names)]) for loss in found.values())
    return sorted(losses, key=lambda loss: order.index(loss.keys[0]))


def _sources(context: RuleContext, keys: Sequence[str]) -> dict[str, str]:
    """Return the settings that a parameter loses, each with the overridden key that sets it.

    ``keys`` are the keys that match the parameter. The first key is the one that mmengine applies. If several keys set
    a setting, the first counts. But a later key counts instead if the first key also matches parameters that the later
    key does not match. A setting is not lost if the first key gives it the same value.
    """
    without_effect = {
        "decay_mult": not context.group_map.base_weight_decay,
        "lr_mult": not context.spec.keys_set_lr,
    }
    found = [context.custom_keys[key] for key in keys]
    sources: dict[str, str] = {}
    for index, matches in enumerate(found):
        known = known_settings(context, matches.key)
        for setting, value in matches.settings.items():
            if index and (setting not in known or without_effect.get(setting)):
                continue
            other = context.custom_keys[sources[setting]] if setting in sources else None
            # A key may repeat the value of a shorter key.
            alike = [each for each in found[index:] if each.settings.get(setting) == value]
            if other is None or not any(_refines(other, each) for each in alike):
                sources[setting] = matches.key
    given = context.custom_keys[keys[0]].settings
    return {
        setting: key
        for setting, key in sources.items()
        if key != keys[0]
        and context.custom_keys[key].settings[setting] != given.get(setting, 1 if setting in without_effect else None)
    }


def _matched(key: KeyMatches) -> set[str]:
    return {*key.wins, *key.overridden}


def _refines(key: KeyMatches, other: KeyMatches) -> bool:
    """Return True if ``key`` matches only parameters that ``other`` matches too."""
    return _matched(key) <= _matched(other)


def _may_reach(
    context: RuleContext, loss: _Loss, losses: Sequence[_Loss], settings: Mapping[str, Any], reach: set[str]
) -> bool:
    """Return True if a key may restore the lost settings, although it also applies to other parameters.

    These parameters must lose the same settings, and LRD506 must still report their other lost settings afterwards.

    Args:
        context: the map of the current config.
        loss: the loss to restore.
        losses: all losses.
        settings: the settings of the key that restores them.
        reach: the parameters that the key matches, without those to which a longer key applies.
    """
    left = reach - {*loss.names}
    for other in losses:
        if other.winner == loss.winner and other is not loss and not left.isdisjoint(other.names):
            if not loss.dropped.keys() <= other.dropped.keys():
                return False
            for setting, key in other.sources.items():
                same = settings.get(setting) == other.dropped[setting]
                if not same and setting in settings and reach <= _matched(context.custom_keys[key]):
                    return False
            left -= {*other.names}
    return not left


def _fix(context: RuleContext, loss: _Loss, losses: Sequence[_Loss]) -> tuple[str, list[Edit]]:
    # The winner's settings, with misspelt names corrected and unknown ones removed.
    winner, names = loss.winner, loss.names
    known, given = known_settings(context, winner), context.custom_keys[winner].settings
    corrected = {name: name if name in known else nearest(name, known) for name in given}
    settings = {
        right: given[name] for name, right in corrected.items() if right and (right == name or right not in corrected)
    }
    settings |= loss.dropped
    # A key without any tensor left would be reported next.
    emptied = [key for key in loss.keys if _matched(context.custom_keys[key]) <= {*names}]
    removed = [delete_option(key_option(key)) for key in emptied]
    # Only one fix may write the winner.
    largest = max((each for each in losses if each.winner == winner), key=lambda each: len(each.names))
    if largest is loss and _may_reach(context, loss, losses, settings, {*context.custom_keys[winner].wins}):
        further = f", and remove {listed(map(repr, emptied))}" if emptied else ""
        edits = [set_option(key_option(winner), settings), *removed]
        return f"write {winner!r}: {as_python(settings)}{further}", edits
    reads, key = context.spec.custom_keys, loss.keys[0]
    if reads and reads.shortest_counts:
        reason = f"because {context.spec.name} uses the shortest key"
        return f"replace {winner!r} by a key longer than {key!r}, {reason}", []
    action = f"replace {listed(map(repr, emptied))} by" if emptied else "add"
    joined = f"{winner.rstrip('.')}.{key.lstrip('.')}"
    longer = {name for key, matches in context.custom_keys.items() if len(key) >= len(joined) for name in matches.wins}
    reach = {name for name in context.trained if joined in name} - longer
    if len(loss.keys) == 1 and {*names} <= reach and _may_reach(context, loss, losses, settings, reach):
        return f"{action} {joined!r}: {as_python(settings)}", [*removed, set_option(key_option(joined), settings)]
    otherwise = f"write {winner!r}: {as_python(settings)}, for all tensors that this key matches"
    if loss.dropped == {"decay_mult": 0} and exempt_in_ours(context, names):
        otherwise = EXEMPTING
    fix, edits = keys_fix(names, context.trained, winner, settings, else_do=otherwise, action=action)
    return fix, [*removed, *edits] if edits else []


@rule(
    "LRD508",
    "custom-key-overrides-option",
    severity="warning",
    also=("info",),
    bad=default_with("norm_decay_mult=0.0, custom_keys={'backbone': dict(lr_mult=0.1)}"),
    good=default_with("norm_decay_mult=0.0, custom_keys={'head': dict(lr_mult=10.0)}"),
)
def custom_key_overrides_option(context: RuleContext) -> Iterator[Fault]:
    """A custom key disables an option such as ``norm_decay_mult`` for the parameters that the key matches.

    Options such as ``norm_decay_mult`` do not apply to a parameter that a custom key matches, even if the key only sets
    the lr.

    With ``norm_decay_mult=0`` and ``custom_keys={'backbone': dict(lr_mult=0.1)}``, every norm of the backbone has
    weight decay. mmengine applies the custom key first, and treats a key without ``decay_mult`` as ``decay_mult=1``.

    LRD508 does not report a custom key that replaces an option on purpose: the key sets the same multiplier, and
    matches only parameters to which the option would apply. For example, beside ``norm_decay_mult``, LRD508 does not
    report a key that matches only norms and sets ``decay_mult``.
    """
    # One fault for each key and option. LRD506 reports keys that override each other.
    multipliers = context.multipliers
    # The first matching option for weight decay counts, but the last one for the lr.
    decays = [multiplier for multiplier in multipliers if multiplier.target == "weight_decay"]
    lrs = [multiplier for multiplier in reversed(multipliers) if multiplier.target == "lr"]
    losses = _losses(context)
    for key, matches in context.custom_keys.items():
        of_decay: set[str] = set()
        for field, alternatives in (("decay_mult", decays), ("lr_mult", lrs)):
            lost = {name for loss in losses if field in loss.dropped for name in loss.names}
            taken: set[str] = set()
            for multiplier in alternatives:
                fitting = [name for name in matches.switches_off.get(multiplier.option, ()) if name not in taken]
                taken.update(fitting)
                names = [name for name in fitting if name not in lost]
                # None if the key sets the value itself.
                own = None if multiplier.target in matches.settings else matches.settings.get(field, 1)
                intended = len(names) == len(matches.wins) and field in matches.settings
                counts = multiplier.target == "lr" or bool(context.group_map.base_weight_decay)
                value = context.options[multiplier.option]
                if not names or own is None or own == value or value == 1 or intended or not counts:
                    continue
                others = len(fitting) - len(names)
                overrides = (
                    f"custom key {key!r} overrides {multiplier.option}={value!r} for {count(len(names), 'tensor')}"
                    + (f", besides {others:,} that LRD506 reports: " if others else ": ")
                )
                if alternatives is decays:
                    of_decay.update(names)
                    having = verb(len(names), "this tensor has", "these tensors have")
                    fix, edits = _multiplied(context, matches, names, {field: value}, losses)
                    yield Fault(
                        f"{overrides}{having} weight decay {context.weight_decays.get(names[0], 0):g}",
                        fix,
                        parameters=names,
                        option=key_option(key),
                        edits=edits,
                    )
                else:
                    training = verb(len(names), "this tensor trains", "these tensors train")
                    factors = number_or_none(own), number_or_none(value)
                    product = (factors[0] or 1) * (factors[1] or 0)
                    yield Fault(
                        f"{overrides}{training} with lr_mult {own}",
                        f"change nothing if lr_mult {own} is intended; otherwise set lr_mult={product:g}"
                        f" in longer keys for {verb(len(names), 'this tensor', 'these tensors')}",
                        parameters=names,
                        option=key_option(key),
                        severity="info",
                        # A finding about weight decay may have the same key and tensors.
                        about=multiplier.option if of_decay.issuperset(names) else "",
                    )


def _multiplied(
    context: RuleContext, matches: KeyMatches, names: list[str], more: Mapping[str, Any], losses: Sequence[_Loss]
) -> tuple[str, list[Edit]]:
    """Return a fix that gives parameters of a custom key further settings, as text and as edits.

    The new keys also have the settings that the parameters lose because of the custom key, see LRD506.
    """
    parts: dict[str, tuple[dict[str, Any], list[str]]] = {}
    of_name = {name: loss.dropped for loss in losses for name in loss.names}
    for name in names:
        settings = {**matches.settings, **of_name.get(name, {}), **more}
        parts.setdefault(repr(settings), (settings, []))[1].append(name)
    else_do = EXEMPTING if "decay_mult" in more and exempt_in_ours(context, names) else ""
    fixes = [
        keys_fix(several, context.trained, matches.key, settings, else_do=else_do)
        for settings, several in parts.values()
    ]
    edits = [edit for _, own in fixes for edit in own]
    return ", and ".join(text for text, _ in fixes), edits if all(own for _, own in fixes) else []


def _tied(key: str) -> Example:
    return Example(
        "model = dict(head=dict(type='Tied'))\n"
        "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=dict(_delete_=True,\n"
        f"    bypass_duplicate=True, custom_keys={{'head.{key}.weight': dict(lr_mult=0.1)}}))",
        part_with(
            "Tied",
            "LinearClsHead",
            "self.proj = nn.Linear(4, 4)",
            "self.tied = nn.Linear(4, 4)",
            "self.tied.weight = self.proj.weight",
        ),
    )


@rule(
    "LRD511",
    "shared-parameter-by-other-key",
    severity="warning",
    bad=_tied("tied"),
    good=_tied("proj"),
)
def shared_parameter_by_other_key(context: RuleContext) -> Iterator[Fault]:
    """A custom key matches only the second name of a shared tensor, but mmengine uses only the first name.

    The constructor processes a shared tensor once, under its first name, so a key for the second name never applies.

    With ``bypass_duplicate=True``, mmengine skips a tensor that it has already processed under another name. Examples
    of such tensors are tied embeddings, or the weights of a head that shares convolutions across levels. The lr and
    weight decay of the tensor follow its first name in the model's order.
    """
    first = {duplicate.name: duplicate.of for duplicate in context.group_map.duplicates}
    for key, matches in context.custom_keys.items():
        reached = {*matches.wins, *matches.overridden, *matches.frozen}
        missed = [name for name in matches.duplicates if first.get(name, name) not in reached]
        if missed:
            yield Fault(
                f"custom key {key!r} does not apply to {missed[0]!r}: the constructor uses another name of this shared "
                f"tensor, {first[missed[0]]!r}" + (f"; same for {len(missed) - 1:,} more" if len(missed) > 1 else ""),
                f"use {first[missed[0]]!r} as the key, because the constructor uses this name for the tensor",
                parameters=missed,
                option=key_option(key),
                edits=[rename_option(key_option(key), first[missed[0]])] if not reached and len(missed) == 1 else (),
            )
