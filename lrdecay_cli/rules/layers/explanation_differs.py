"""Rule LRD209: explanation-disagrees."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lrdecay_cli.analysis.verification import named_disagreements
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rule, verb


def _another_lr(group_map: GroupMap) -> GroupMap:
    first, *others = group_map.groups
    return msgspec.structs.replace(group_map, groups=(msgspec.structs.replace(first, lr=0.5), *others))


@rule("LRD209", "explanation-disagrees", severity="error", bad=Example("", edit=_another_lr), good=Example(""))
def explanation_disagrees(context: RuleContext) -> Iterator[Fault]:
    """lrdecay's own rules give a parameter another layer id, lr or weight decay than the real group has.

    What is explained and judged here may not be what trains. The group is the truth.

    Either the map was edited, or the installed constructor is another version than the one whose rules lrdecay knows,
    or lrdecay is wrong: then please report it.
    """
    # One fault for all parameters, with the first difference.
    differing: dict[str, str] = {}
    for name, difference in named_disagreements(context.group_map):
        differing.setdefault(name, difference)
    if not differing:
        return
    first = next(iter(differing))
    yield Fault(
        f"{count(len(differing), 'tensor')} {verb(len(differing), 'is', 'are')} not where our rules put"
        f" {verb(len(differing), 'it', 'them')}: {first}: {differing[first]}",
        "export the map anew; if that does not help, report it to lrdecay with the map",
        parameters=differing,
    )
