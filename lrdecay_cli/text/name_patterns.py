"""Many parameter names as few patterns, each of which matches exactly the names that it stands for.

A pattern is a name in which ``*`` stands for one or more labels (what is between the dots) and braces for one of
several labels: ``backbone.stages.2.{3-8}.*``, ``*.{norm1,norm2}.bias``. A backslash takes a character literally.
Without braces it means the same as a glob for ``--filter``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from lrdecay_cli.text.counting import integers

Path = tuple[str, ...]
"""A name as its labels: what is between the dots."""


class NameTree:
    """A module: the modules and parameters in it by label, and the paths of all parameters below it.

    It looks into itself only when asked, and then once: most questions about a large model concern few modules.

    Args:
        below: distinct paths, all of which begin with the same ``depth`` labels.
        depth: how many labels lead to this module.
        hidden: how many labels at the end of each path do not count.
    """

    def __init__(self, below: list[Path], depth: int = 0, hidden: int = 0) -> None:
        self.below = below
        self._depth = depth
        self._hidden = hidden

    @classmethod
    def of(cls, names: Iterable[str]) -> NameTree:
        """The tree of distinct ``names``, in their order."""
        return cls([tuple(name.split(".")) for name in names])

    @property
    def modules(self) -> dict[str, NameTree]:
        """The modules right in this one, by label."""
        return self._inside[0]

    @property
    def parameters(self) -> dict[str, Path]:
        """The parameters right in this module, by label."""
        return self._inside[1]

    @cached_property
    def mirrored(self) -> NameTree:
        """The paths below this module, read from their last label up to this module."""
        return NameTree([path[::-1] for path in self.below], hidden=self._depth)

    @cached_property
    def _inside(self) -> tuple[dict[str, NameTree], dict[str, Path]]:
        modules: dict[str, list[Path]] = {}
        parameters: dict[str, Path] = {}
        length = self._depth + 1 + self._hidden
        for path in self.below:
            label = path[self._depth]
            if len(path) == length:
                parameters[label] = path
            else:
                modules.setdefault(label, []).append(path)
        inside = {label: NameTree(paths, self._depth + 1, self._hidden) for label, paths in modules.items()}
        return inside, parameters


# The labels of patterns, and the paths that they match.
_Folded = dict[Path, list[Path]]

_TOKEN = re.compile(r"\\(?P<literal>.)|(?P<star>\*)|\{(?P<choice>[^{}]*)\}", re.DOTALL)
_SPECIAL = re.compile(r"[*{}\\]")
_CHOICE = re.compile(r"\w+")


def fold_names(names: Sequence[str], universe: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Patterns for ``names``, each with its own, in the order of their first names.

    Args:
        names: what the patterns together match.
        universe: every name that there is: a pattern matches none of these that is not its own.
    """
    return Universe([*universe, *names]).fold(names)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern of :func:`fold_names` matches a name."""
    return _compiled(pattern).fullmatch(name) is not None


class Universe:
    """Every name there is, to fold any number of selections of them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._tree = NameTree.of(dict.fromkeys(names))

    def fold(self, names: Iterable[str], *, spelled: int = 0) -> list[tuple[str, list[str]]]:
        """Patterns for ``names``, all of which must be in the universe, see :func:`fold_names`.

        Args:
            names: what the patterns together match.
            spelled: how many labels at the head of a pattern may not hide behind ``*``.
        """
        order = {name: index for index, name in enumerate(dict.fromkeys(names))}
        if not order:
            return []
        patterns = []
        for labels, paths in _fold(NameTree.of(order), self._tree, 0, _Rules(spelled)).items():
            members = sorted((".".join(path) for path in paths), key=order.__getitem__)
            patterns.append((".".join(labels) if len(members) > 1 else literal(members[0]), members))
        return sorted(patterns, key=lambda item: order[item[1][0]])


class _Rules(NamedTuple):
    """How a pattern may look from here on down."""

    spelled: int = 0
    """How many labels at its head may not hide behind a star."""
    mirrors: int = 2
    """How many more modules may be folded from the ends of their names instead: each costs another pass."""
    backward: bool = False
    """Whether names are being read from their ends."""


def _fold(chosen: NameTree, universe: NameTree, depth: int, rules: _Rules) -> _Folded:
    """Fold the names of ``chosen`` within the same module of the universe, to which ``depth`` labels lead."""
    if depth >= rules.spelled and len(chosen.below) == len(universe.below):
        return {("*",): chosen.below}
    # Where all names go the same way, the module that they part in says more than this one.
    mirror = rules.mirrors > 0 and depth >= rules.spelled and len(chosen.modules) + len(chosen.parameters) > 1
    by_module = _fold_inside(chosen, universe, depth, rules._replace(mirrors=rules.mirrors - mirror))
    is_one_subtree = len(by_module) == 1 and next(iter(by_module))[-1] == "*"
    if mirror and not is_one_subtree:
        # What agrees across modules (all biases) folds better from its end. A mirror has no mirrors: a pattern has
        # one star at most.
        by_end = _fold_inside(chosen.mirrored, universe.mirrored, 0, _Rules(mirrors=0, backward=True))
        if _length(by_end) < _length(by_module):
            return {labels[::-1]: [path[::-1] for path in paths] for labels, paths in by_end.items()}
    return by_module


def _fold_inside(chosen: NameTree, universe: NameTree, depth: int, rules: _Rules) -> _Folded:
    """Fold each module in this one, then put siblings that end in the same pattern into one."""
    alike: dict[Path, dict[str, list[Path]]] = {}
    if chosen.parameters:
        alike[()] = {label: [path] for label, path in chosen.parameters.items()}
    for label, module in chosen.modules.items():
        # "*.0.bias" says little: a number is nothing without the module that it counts in.
        inner_rules = rules._replace(spelled=depth + 2) if rules.backward and _is_index(label) else rules
        for tail, paths in _fold(module, universe.modules[label], depth + 1, inner_rules).items():
            alike.setdefault(tail, {})[label] = paths
    folded: _Folded = {}
    for tail, by_label in alike.items():
        choices = [label for label in by_label if _CHOICE.fullmatch(label)] if len(by_label) > 1 else []
        if len(choices) > 1:
            merged = [path for label in choices for path in by_label.pop(label)]
            # Numbers first, then words as they come.
            numbers = integers(sorted(int(label) for label in choices if _is_index(label)), ",", "-")
            words = [label for label in choices if not _is_index(label)]
            braces = f"{{{','.join(filter(None, (numbers, *words)))}}}"
            folded.update({(braces, *tail): merged})
        folded.update({(literal(label), *tail): paths for label, paths in by_label.items()})
    return folded


def _length(folded: _Folded) -> tuple[int, int]:
    """What there is to read: patterns first, then characters."""
    return len(folded), sum(len(label) for labels in folded for label in labels)


def _is_index(label: str) -> bool:
    # Not "007": a range would give it back as "7".
    return label.isdecimal() and label == str(int(label))


def literal(text: str) -> str:
    """The pattern that matches just this name or label."""
    return _SPECIAL.sub(r"\\\g<0>", text)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = []
    position = 0
    for token in _TOKEN.finditer(pattern):
        parts.append(re.escape(pattern[position : token.start()]))
        if token["star"]:
            parts.append(".+")
        elif token["choice"] is not None:
            labels: list[str] = []
            for item in token["choice"].split(","):
                first, dash, last = item.partition("-")
                labels += map(str, range(int(first), int(last) + 1)) if dash else [item]
            parts.append(f"(?:{'|'.join(labels)})")
        else:
            parts.append(re.escape(token["literal"]))
        position = token.end()
    parts.append(re.escape(pattern[position:]))
    return re.compile("".join(parts), re.DOTALL)
