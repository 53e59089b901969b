"""Compute the effect of a suggestion on the lrs, for each module and for the whole backbone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lrdecay_cli.analysis.lr_factors import LrPair, effect_of, in_model_order, lr_pairs, modules_of
from lrdecay_cli.analysis.suggesting.options import backbone_prefix
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Column, Note, Table
from lrdecay_cli.domain.suggestion import Effect, Proposal, Variant
from lrdecay_cli.text.counting import factor_text, listed, verb

FASTER = 1.5
"""If a suggestion multiplies the backbone's mean lr by more than this factor, the report has a warning."""
_COLUMNS = (
    Column("module", "module", "name", vital=True),
    Column("parameters", "parameters", "integer"),
    Column("lr_before", "mean lr before", "rate", vital=True),
    Column("lr_after", "mean lr after", "rate", vital=True),
    Column("factor", "factor", "factor", vital=True),
    Column("lowest_factor", "lowest", "factor"),
    Column("highest_factor", "highest", "factor"),
)


def effects(before: GroupMap, after: GroupMap) -> tuple[tuple[Effect, ...], Effect | None]:
    """Return the effect of a suggestion on each module in the model's order, and on the whole backbone."""
    pairs = lr_pairs(before, after)
    prefix = backbone_prefix(after)
    names = [tensor.name for tensor in in_model_order(after.tensors()) if tensor.name in pairs]
    modules = modules_of(names, prefix)
    by_module: dict[str, list[LrPair]] = {}
    for name in names:
        by_module.setdefault(modules[name], []).append(pairs[name])
    found = (effect_of(module, several) for module, several in by_module.items())
    return tuple(filter(None, found)), effect_of(prefix[:-1], _inside(pairs, prefix))


def variant_of(before: GroupMap, after: GroupMap, proposal: Proposal, snippet: str) -> Variant | None:
    """Return the suggestion without the ``lr_mult`` that a custom key sets for the whole backbone.

    Returns None if there is no such ``lr_mult``, or if the ``lr_mult`` is 0. The constructor multiplies the lr of the
    layer decay by the ``lr_mult``. So an lr without the ``lr_mult`` is the suggested lr divided by the ``lr_mult``.
    """
    keys = proposal.options.get("custom_keys") or {}
    mults = {key: keys[key]["lr_mult"] for key in proposal.covering}
    prefix = backbone_prefix(after)
    pairs = []
    for name, pair in lr_pairs(before, after).items():
        if name.startswith(prefix):
            # If a name contains several keys, only the longest counts.
            key = max((key for key in keys if key in name), key=lambda key: (len(key), key), default="")
            mult = mults.get(key, 1.0)
            if not mult:
                return None
            pairs.append(pair._replace(after=pair.after / mult))
    backbone = effect_of(prefix[:-1], pairs)
    return Variant(tuple(f"custom_keys[{key!r}]" for key in mults), backbone, snippet) if mults and backbone else None


def effect_table(by_module: Sequence[Effect]) -> Table:
    """Return a table of the effect of a suggestion, with one row for each module."""
    rows = (
        (
            *(effect.name, effect.parameters, effect.lr_before, effect.lr_after),
            *(effect.factor, effect.lowest_factor, effect.highest_factor),
        )
        for effect in by_module
    )
    return Table("effect on each module (mean lrs are weighted by the number of parameters)", _COLUMNS, tuple(rows))


def effect_lead(by_module: Sequence[Effect], backbone: Effect | None) -> Iterator[str]:
    """Yield sentences about the effect of a suggestion on the backbone (mean factor and range) and on other modules."""
    if backbone is None:
        return
    spans = [text for text in (_where(min, by_module, backbone), _where(max, by_module, backbone)) if text]
    span = f", from {' to '.join(spans)}" if len({*spans}) > 1 else ""
    yield f"{backbone.name}: {_times(backbone)}, weighted by parameters{span}"
    rest = [effect for effect in by_module if not _is_in(effect, backbone)]
    changed = [effect for effect in rest if effect.lr_before != effect.lr_after]
    if changed:
        changes = listed(f"{effect.name} {_times(effect)}" for effect in changed[:3])
        yield f"outside {backbone.name}: {changes}{f' and {len(changed) - 3} more' if len(changed) > 3 else ''}"
    elif rest:
        yield f"outside {backbone.name}, no lr changes"


def faster_note(backbone: Effect | None) -> Iterator[Note]:
    """Yield a warning if the suggestion multiplies the mean lr of the backbone by more than :data:`FASTER`."""
    if backbone is not None and backbone.factor is not None and backbone.factor > FASTER:
        highest = f", at most {factor_text(backbone.highest_factor)}" if backbone.highest_factor else ""
        yield Note(
            f"{backbone.name} would train faster than now: mean lr {factor_text(backbone.factor)}{highest}",
            "warning",
            (f"to keep the mean lr, lower decay_rate, or set an lr_mult for {backbone.name} in custom_keys",),
        )


def variant_note(variant: Variant | None) -> Iterator[Note]:
    """Yield a note on the effect of the suggestion without the ``lr_mult`` of the whole backbone."""
    if variant is None:
        return
    factor, highest = variant.backbone.factor, variant.backbone.highest_factor
    at_most = f", at most {factor_text(highest)}" if highest else ""
    number = len(variant.without)
    stays = f"{listed(variant.without)} {verb(number, 'stays', 'stay')} in addition to the layer decay"
    without = f"without {verb(number, 'it', 'them')}"
    yield Note(
        f"{stays}; {without}: {variant.backbone.name} mean lr {factor_text(factor)}{at_most}"
        if factor is not None
        else stays,
        "warning" if factor is not None and factor > FASTER else "info",
        (f"to use the layer decay alone, leave out {listed(variant.without)} below",),
    )


def _times(effect: Effect) -> str:
    return f"mean lr {factor_text(effect.factor)}" if effect.factor is not None else "mean lr from 0"


def _where(pick: object, by_module: Sequence[Effect], backbone: Effect) -> str:
    """Return the lowest or highest factor in the backbone and its module: ``×0.12 in backbone.stages.0``."""
    lowest = pick is min
    known = {
        effect.name: factor
        for effect in by_module
        if _is_in(effect, backbone)
        and (factor := effect.lowest_factor if lowest else effect.highest_factor) is not None
    }
    if not known:
        return ""
    name = (min if lowest else max)(known, key=known.__getitem__)
    return f"{factor_text(known[name])} in {name}"


def _is_in(effect: Effect, backbone: Effect) -> bool:
    return effect.name == backbone.name or effect.name.startswith(f"{backbone.name}.")


def _inside(pairs: Mapping[str, LrPair], prefix: str) -> list[LrPair]:
    return [pair for name, pair in pairs.items() if name.startswith(prefix)]
