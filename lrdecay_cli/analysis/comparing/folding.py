"""Thousands of changes as the few lines that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lrdecay_cli.domain.change import Change, FoldedChange
from lrdecay_cli.text.name_patterns import Universe, literal

# Where two names part: the labels in front, and what is there in the old and in the new one.
_Parting = tuple[int, tuple[str, ...], tuple[str, ...]]


def fold(changes: Iterable[Change], names_before: Sequence[str], names_after: Sequence[str]) -> list[FoldedChange]:
    """Put parameters that changed alike under patterns.

    No pattern matches a parameter that did not change so: of the first map for what was removed or renamed, of the
    second for what was added, of both for anything else.

    Args:
        changes: what :func:`diff` gives, each change once.
        names_before: every parameter of the first map.
        names_after: every parameter of the second map.

    Returns:
        The folded changes in the order of their first members. Every change is in exactly one.
    """
    before, after = Universe(names_before), Universe(names_after)
    both = Universe([*names_before, *names_after])
    order: dict[tuple[str, str], int] = {}
    renamed: list[Change] = []
    alike: dict[tuple[str, str, str], list[Change]] = {}
    for change in changes:
        order[change.aspect, change.parameter] = len(order)
        if change.aspect == "renamed":
            renamed.append(change)
        else:
            # As text, for values may be dicts, and NaN is no equal of itself.
            alike.setdefault((change.aspect, repr(change.before), repr(change.after)), []).append(change)

    folded = list(_fold_renames(renamed, before, after))
    # One cause changes several aspects of the same parameters (lr and lr scale): fold those once.
    known: dict[tuple[Universe, tuple[str, ...]], list[tuple[str, list[str]]]] = {}
    for members in alike.values():
        first = members[0]
        universe = {"added": after, "removed": before}.get(first.aspect, both)
        names = tuple(change.parameter for change in members)
        if (universe, names) not in known:
            known[universe, names] = universe.fold(names)
        for pattern, matched in known[universe, names]:
            folded.append(FoldedChange(pattern, first.aspect, first.before, first.after, tuple(matched)))
    return sorted(folded, key=lambda change: order[change.aspect, change.parameters[0]])


def _fold_renames(changes: Iterable[Change], before: Universe, after: Universe) -> Iterator[FoldedChange]:
    """Fold old and new names side by side; ``norm3 → final_norm`` in every layer is one."""
    alike: dict[_Parting, dict[str, str]] = {}
    for change in changes:
        alike.setdefault(_parting(change.before, change.after), {})[change.before] = change.after
    for (head, old, new), names in alike.items():
        # Spelled out up to where they are the same again, so that the one pattern can be made of the other.
        old_patterns = before.fold(names, spelled=head + len(old))
        new_patterns = {pattern for pattern, _ in after.fold(names.values(), spelled=head + len(new))}
        for pattern, matched in old_patterns:
            labels = pattern.split(".")
            target = ".".join([*labels[:head], *map(literal, new), *labels[head + len(old) :]])
            if target in new_patterns:
                yield FoldedChange(pattern, "renamed", pattern, target, tuple(matched))
            else:
                for name in matched:
                    yield FoldedChange(literal(name), "renamed", literal(name), literal(names[name]), (name,))


def _parting(before: str, after: str) -> _Parting:
    old, new = before.split("."), after.split(".")
    # From the end first: a renamed module keeps what is below it.
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    return head, tuple(old[head:]), tuple(new[head:])
