"""Fold thousands of changes into few lines (one pattern for all parameters with the same change).

The module also finds renamed modules. A renamed module exists only under its old name in the first map, and only under
its new name in the second map. Apart from the name, the module is the same in both maps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from lrdecay_cli.analysis.lr_factors import factor_of
from lrdecay_cli.domain.change import Change, FoldedChange
from lrdecay_cli.text.name_patterns import NameTree, Path, Universe, literal

# A module's path, and the paths of all parameters below it.
_Module = tuple[Path, list[Path]]
# The difference of two names: the common first labels, then the differing labels of the old and of the new name.
_Parting = tuple[int, tuple[str, ...], tuple[str, ...]]


def fold(changes: Iterable[Change], names_before: Sequence[str], names_after: Sequence[str]) -> list[FoldedChange]:
    """Fold parameters with the same change into patterns.

    A pattern matches only parameters with the same change. For removed or renamed parameters, the pattern is tested on
    the names of the first map. For added parameters, the pattern is tested on the names of the second map. For other
    changes, the pattern is tested on the names of both maps.

    Args:
        changes: from :func:`diff`, each change once.
        names_before: every parameter name of the first map.
        names_after: every parameter name of the second map.

    Returns:
        The folded changes in the order of their first members; each change is in exactly one folded change.
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
            # As text: values may be dicts, and NaN does not equal itself.
            alike.setdefault((change.aspect, repr(change.before), repr(change.after)), []).append(change)

    folded = list(_fold_renames(renamed, before, after))
    # One cause often changes several aspects of the same parameters (lr and lr scale): fold such sets once.
    known: dict[tuple[Universe, tuple[str, ...]], list[tuple[str, list[str]]]] = {}
    for members in alike.values():
        first = members[0]
        universe = {"added": after, "removed": before}.get(first.aspect, both)
        names = tuple(change.parameter for change in members)
        if (universe, names) not in known:
            known[universe, names] = universe.fold(names)
        for pattern, matched in known[universe, names]:
            factor = factor_of(first.before, first.after) if first.aspect == "lr" else None
            folded.append(FoldedChange(pattern, first.aspect, first.before, first.after, tuple(matched), factor))
    return sorted(folded, key=lambda change: order[change.aspect, change.parameters[0]])


def _fold_renames(changes: Iterable[Change], before: Universe, after: Universe) -> Iterator[FoldedChange]:
    """Fold renames with the same old and new part: ``norm3 → final_norm`` in every layer becomes one change."""
    alike: dict[_Parting, dict[str, str]] = {}
    for change in changes:
        alike.setdefault(_parting(change.before, change.after), {})[change.before] = change.after
    for (head, old, new), names in alike.items():
        # Spelled out up to the end of the difference, so that the new pattern can be derived from the old one.
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
    # From the end first: the names below a renamed module stay the same.
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    return head, tuple(old[head:]), tuple(new[head:])


def find_renames(before: Mapping[str, Hashable], after: Mapping[str, Hashable]) -> dict[str, str]:
    """Return a dict from old to new names, for every parameter of every renamed module.

    A module counts as renamed under three conditions:

    - No parameter of the module has the same name in both maps.
    - The second map has a module with only new names. Its parameters have the same names within the module and the
      same properties.
    - In both maps, the module is the only one with its contents, or the only one with its contents under its parent.
      Numbered siblings with the same contents are an exception: they are paired in order.

    Args:
        before: the properties that a rename keeps, by parameter name.
        after: the same properties in the second map.
    """
    contents: dict[Hashable, int] = {}
    gone = _whole_modules(before, after, contents)
    new = _whole_modules(after, before, contents)
    renamed: dict[str, str] = {}
    taken: set[str] = set()
    # A module has a higher number than its submodules: large modules are matched first, with their contents.
    for number in sorted(gone.keys() & new.keys(), reverse=True):
        old_modules = [module for module in gone[number] if _first_name(module) not in renamed]
        new_modules = [module for module in new[number] if _first_name(module) not in taken]
        for (old_path, names), (new_path, _) in _pairs(old_modules, new_modules):
            for name in names:
                renamed[".".join(name)] = ".".join((*new_path, *name[len(old_path) :]))
                taken.add(renamed[".".join(name)])
    return renamed


def _whole_modules(
    names: Mapping[str, Hashable], others: Mapping[str, Hashable], contents: dict[Hashable, int]
) -> dict[int, list[_Module]]:
    """Return the modules of one map that share no parameter name with the other map.

    The keys of the result are ids: modules with the same parameters and properties have the same id.

    Args:
        names: the properties of each parameter of one map, by name.
        others: the properties of each parameter of the other map, by name.
        contents: a dict from the contents of a module to its id, for both maps; the function adds new contents.
    """
    modules: dict[int, list[_Module]] = {}

    def number(alone: NameTree, everything: NameTree, path: Path) -> int | None:
        inside: set[Hashable] = {
            (label, number(module, everything.modules[label], (*path, label)))
            for label, module in alone.modules.items()
        }
        if len(alone.below) != len(everything.below):
            return None
        # The tuple distinguishes a parameter's traits from a module's number.
        inside.update((label, (names[".".join(name)],)) for label, name in alone.parameters.items())
        found = contents.setdefault(frozenset(inside), len(contents))
        modules.setdefault(found, []).append((path, alone.below))
        return found

    alone = [name for name in names if name not in others]
    if alone:
        number(NameTree.of(alone), NameTree.of(names), ())
    return modules


def _pairs(old: Iterable[_Module], new: Iterable[_Module]) -> Iterator[tuple[_Module, _Module]]:
    """Yield pairs of an old and a new module. All given modules have the same contents.

    Modules with the same parent are paired first. If one old and one new module remain, they are the last pair.
    """
    olds, news = _by_parent(old), _by_parent(new)
    for parent in [parent for parent in olds if parent in news]:
        siblings = (olds[parent], news[parent])
        alone = len(siblings[0]) == len(siblings[1]) == 1
        if alone or (len(siblings[0]) == len(siblings[1]) and all(map(_numbered, siblings))):
            yield from zip(*map(_in_order, siblings), strict=True)
            del olds[parent], news[parent]
    old_rest = [module for modules in olds.values() for module in modules]
    new_rest = [module for modules in news.values() for module in modules]
    if len(old_rest) == len(new_rest) == 1:
        yield old_rest[0], new_rest[0]


def _by_parent(modules: Iterable[_Module]) -> dict[Path, list[_Module]]:
    by_parent: dict[Path, list[_Module]] = {}
    for module in modules:
        by_parent.setdefault(module[0][:-1], []).append(module)
    return by_parent


def _numbered(modules: Sequence[_Module]) -> bool:
    return all(path and path[-1].isdecimal() for path, _ in modules)


def _in_order(modules: Sequence[_Module]) -> Sequence[_Module]:
    return sorted(modules, key=lambda module: int(module[0][-1])) if _numbered(modules) else modules


def _first_name(module: _Module) -> str:
    return ".".join(module[1][0])
