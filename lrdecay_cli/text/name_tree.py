"""Parameter names as a tree of modules."""

from __future__ import annotations

from collections.abc import Iterable

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

    __slots__ = ("_depth", "_hidden", "_mirrored", "_modules", "_parameters", "below")

    def __init__(self, below: list[Path], depth: int = 0, hidden: int = 0) -> None:
        self.below = below
        self._depth = depth
        self._hidden = hidden
        self._modules: dict[str, NameTree] | None = None
        self._parameters: dict[str, Path] = {}
        self._mirrored: NameTree | None = None

    @classmethod
    def of(cls, names: Iterable[str]) -> NameTree:
        """The tree of distinct ``names``, in their order."""
        return cls([tuple(name.split(".")) for name in names])

    @property
    def modules(self) -> dict[str, NameTree]:
        """The modules right in this one, by label."""
        if self._modules is None:
            self._modules = self._look_inside()
        return self._modules

    @property
    def parameters(self) -> dict[str, Path]:
        """The parameters right in this module, by label."""
        if self._modules is None:
            self._modules = self._look_inside()
        return self._parameters

    @property
    def mirrored(self) -> NameTree:
        """The paths below this module, read from their last label up to this module."""
        if self._mirrored is None:
            self._mirrored = NameTree([path[::-1] for path in self.below], hidden=self._depth)
        return self._mirrored

    def _look_inside(self) -> dict[str, NameTree]:
        inside: dict[str, list[Path]] = {}
        length = self._depth + 1 + self._hidden
        for path in self.below:
            label = path[self._depth]
            if len(path) == length:
                self._parameters[label] = path
            else:
                inside.setdefault(label, []).append(path)
        return {label: NameTree(paths, self._depth + 1, self._hidden) for label, paths in inside.items()}
