"""Replace many parameter names by a few patterns. A pattern matches exactly the names that it replaces.

A pattern has two wildcards. ``*`` matches one or more labels (the parts of a name between the dots). Braces match one
of several labels: ``backbone.stages.2.{3-8}.*``, ``*.{norm1,norm2}.bias``. A backslash escapes a character. A pattern
without braces has the same meaning as a ``--filter`` glob.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from lrdecay_cli.text.counting import integers

Path = tuple[str, ...]
"""A name as a tuple of its labels, which are the parts between the dots."""


class NameTree:
    """A module of a model, with its submodules and parameters.

    A path is the name of a parameter, and a label is a part of a path: ``backbone.norm`` has the labels ``backbone``
    and ``norm``. Submodules and parameters are computed on first access, because most queries about a large model use
    few modules.

    Args:
        below: paths of all parameters in this module, without duplicates. All begin with the path of the module.
        depth: number of labels in the path of this module.
        hidden: number of labels to ignore at the end of each path.
    """

    def __init__(self, below: list[Path], depth: int = 0, hidden: int = 0) -> None:
        self.below = below
        self._depth = depth
        self._hidden = hidden

    @classmethod
    def of(cls, names: Iterable[str]) -> NameTree:
        """Return the tree of distinct ``names``, in their order."""
        return cls([tuple(name.split(".")) for name in names])

    @property
    def modules(self) -> dict[str, NameTree]:
        """The direct submodules of this module, by the last label of their path."""
        return self._inside[0]

    @property
    def parameters(self) -> dict[str, Path]:
        """The direct parameters of this module, by the last label of their path."""
        return self._inside[1]

    @cached_property
    def mirrored(self) -> NameTree:
        """A copy of this tree of parameter names in which the parts of each name are in reverse order.

        For example, ``backbone.norm.weight`` becomes ``weight.norm.backbone``.
        """
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


# Labels of patterns, with the paths that they match.
_Folded = dict[Path, list[Path]]

_TOKEN = re.compile(r"\\(?P<literal>.)|(?P<star>\*)|\{(?P<choice>[^{}]*)\}", re.DOTALL)
_SPECIAL = re.compile(r"[*{}\\]")
_CHOICE = re.compile(r"\w+")


def fold_names(names: Sequence[str], universe: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return patterns that replace ``names``, each with the names that it matches.

    The patterns are in the order of the first name that each pattern replaces.

    Args:
        names: the names to replace. Together, the patterns match all of them.
        universe: all names of the model. No pattern matches a name that is not in ``names``.
    """
    return Universe([*universe, *names]).fold(names)


def matches(pattern: str, name: str) -> bool:
    """Return True if a pattern of :func:`fold_names` matches a name."""
    return _compiled(pattern).fullmatch(name) is not None


class Universe:
    """All names of a model. :meth:`fold` replaces selected names by patterns that match no other name."""

    def __init__(self, names: Iterable[str]) -> None:
        self._tree = NameTree.of(dict.fromkeys(names))

    def fold(self, names: Iterable[str], *, spelled: int = 0) -> list[tuple[str, list[str]]]:
        """Return patterns that replace ``names``, each with the names that it matches; see :func:`fold_names`.

        Args:
            names: the names to replace. All must be in the universe.
            spelled: number of labels at the start of a pattern that must not be ``*``.
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
    """Limits for :func:`_fold` when it looks for the patterns of a module."""

    spelled: int = 0
    """Number of labels at the start of a pattern that must not be ``*``."""
    mirrors: int = 2
    """How many more times the names of a module may also be tried in reverse order. Each try takes time."""
    backward: bool = False
    """True if the labels of the names are in reverse order."""


def _fold(chosen: NameTree, universe: NameTree, depth: int, rules: _Rules) -> _Folded:
    """Return the patterns that replace the selected names in a module.

    Args:
        chosen: the module with the selected names only.
        universe: the same module with all its names.
        depth: number of labels in the path of the module.
        rules: limits for the patterns.
    """
    if depth >= rules.spelled and len(chosen.below) == len(universe.below):
        return {("*",): chosen.below}
    # If all names share a prefix, the module where they branch is more informative than this one.
    mirror = rules.mirrors > 0 and depth >= rules.spelled and len(chosen.modules) + len(chosen.parameters) > 1
    by_module = _fold_inside(chosen, universe, depth, rules._replace(mirrors=rules.mirrors - mirror))
    is_one_subtree = len(by_module) == 1 and next(iter(by_module))[-1] == "*"
    if mirror and not is_one_subtree:
        # Names that agree across modules (all biases) fold better from their ends. A reversed tree is not reversed
        # again: a pattern has at most one star.
        by_end = _fold_inside(chosen.mirrored, universe.mirrored, 0, _Rules(mirrors=0, backward=True))
        if _length(by_end) < _length(by_module):
            return {labels[::-1]: [path[::-1] for path in paths] for labels, paths in by_end.items()}
    return by_module


def _fold_inside(chosen: NameTree, universe: NameTree, depth: int, rules: _Rules) -> _Folded:
    """Return the patterns for the parameters and submodules of a module.

    Patterns that differ only in their first label are combined: ``a.*`` and ``b.*`` become ``{a,b}.*``.
    """
    alike: dict[Path, dict[str, list[Path]]] = {}
    if chosen.parameters:
        alike[()] = {label: [path] for label, path in chosen.parameters.items()}
    for label, module in chosen.modules.items():
        # "*.0.bias" is not informative: a number means nothing without its module.
        inner_rules = rules._replace(spelled=depth + 2) if rules.backward and _is_index(label) else rules
        for tail, paths in _fold(module, universe.modules[label], depth + 1, inner_rules).items():
            alike.setdefault(tail, {})[label] = paths
    folded: _Folded = {}
    for tail, by_label in alike.items():
        choices = [label for label in by_label if _CHOICE.fullmatch(label)] if len(by_label) > 1 else []
        if len(choices) > 1:
            merged = [path for label in choices for path in by_label.pop(label)]
            # Numbers first, then words in their order.
            numbers = integers(sorted(int(label) for label in choices if _is_index(label)), ",", "-")
            words = [label for label in choices if not _is_index(label)]
            braces = f"{{{','.join(filter(None, (numbers, *words)))}}}"
            folded.update({(braces, *tail): merged})
        folded.update({(literal(label), *tail): paths for label, paths in by_label.items()})
    return folded


def _length(folded: _Folded) -> tuple[int, int]:
    """Return a sort key that puts the most readable patterns first: the number of patterns, then their length."""
    return len(folded), sum(len(label) for labels in folded for label in labels)


def _is_index(label: str) -> bool:
    # Not "007": a range would print it as "7".
    return label.isdecimal() and label == str(int(label))


def literal(text: str) -> str:
    """Return the pattern that matches exactly this name or label."""
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
