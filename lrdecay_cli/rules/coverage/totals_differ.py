"""Rule LRD105: totals-do-not-add-up."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from lrdecay_cli.domain.group_map import GroupMap, Totals
from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, is_foreign, rule, verb

_REMEDY = "export the map anew: lrdecay inspect CONFIG --format json"


def _without_the_last_group(group_map: GroupMap) -> GroupMap:
    return msgspec.structs.replace(group_map, groups=group_map.groups[:-1])


@rule(
    "LRD105", "totals-do-not-add-up", severity="error", bad=Example("", edit=_without_the_last_group), good=Example("")
)
def totals_do_not_add_up(context: RuleContext) -> Iterator[Fault]:
    """The map does not account for every parameter of the model exactly once.

    Such a map was edited or put together by hand: it says something else than what was built, and what is judged by it
    may be wrong.

    Export it anew with ``lrdecay inspect CONFIG --format json``.
    """
    # A fault each for names, sizes and totals that do not add up.
    group_map = context.group_map
    parameters = [entry.parameter for entry in context.entries.values() if not is_foreign(entry.parameter.name)]
    accounted = {*(p.name for p in parameters), *(duplicate.name for duplicate in group_map.duplicates)}
    registered = {
        f"{path}.{name}" if path else name for path, module in group_map.modules.items() for name in module.parameters
    }
    # Of a checkpoint alone nothing tells the modules.
    nowhere = registered - accounted
    if nowhere:
        yield Fault(
            f"{count(len(nowhere), 'tensor')} of the model {verb(len(nowhere), 'is', 'are')} neither grouped,"
            " frozen, missing nor a duplicate",
            _REMEDY,
            nowhere,
        )
    unknown = {name for name in accounted - registered if not is_foreign(name)} if registered else set()
    if unknown:
        yield Fault(f"no module of the model registers {count(len(unknown), 'tensor')} of the map", _REMEDY, unknown)
    sizes = [p.name for p in parameters if math.prod(p.shape) != p.numel]
    if sizes:
        yield Fault(f"{count(len(sizes), 'shape')} and numel do not agree", _REMEDY, sizes)
    wrong = list(_wrong_totals(group_map))
    if wrong and not (nowhere or unknown or sizes):
        yield Fault(f"totals do not add up: {', '.join(wrong)}", _REMEDY, option="model.totals")


def _wrong_totals(group_map: GroupMap) -> Iterator[str]:
    grouped = [parameter for _, parameter in group_map.grouped() if not is_foreign(parameter.name)]
    outside = (group_map.frozen, group_map.missing)
    counts = [len(grouped), *map(len, outside)]
    sizes = [sum(p.numel for p in grouped), *(sum(p.numel for p in parameters) for parameters in outside)]
    summed = Totals(
        sum(counts),
        sum(sizes),
        counts[0],
        sizes[0],
        counts[1],
        sizes[1],
        counts[2],
        sizes[2],
        len(group_map.duplicates),
    )
    told = msgspec.structs.asdict(group_map.model.totals)
    for key, value in msgspec.structs.asdict(summed).items():
        if told[key] != value:
            yield f"{key.replace('_', ' ')} says {told[key]:,}, there are {value:,}"
