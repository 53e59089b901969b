"""A map as the tree of the model's modules, folded wherever lr and weight decay agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrdecay_cli.analysis.inspecting.views import LR, PARAMETERS, SCALE, TENSORS, WEIGHT_DECAY
from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.domain.report import Branch, Column, Table

COLUMNS = (Column("module", "module", "tree", vital=True), LR, SCALE, WEIGHT_DECAY, TENSORS, PARAMETERS)

# (lr, lr scale, weight decay) where all below agree; the state in place of the lr for what is in no group.
_Rates = tuple[Any, Any, Any]
_MIXED = "mixed"
# Decay groups put biases first, models put them last.
_LAST = ("weight", "bias")


@dataclass
class _Node:
    name: str
    children: dict[str, _Node] = field(default_factory=dict)
    rates: set[_Rates] = field(default_factory=set)
    tensors: int = 0
    parameters: int = 0

    def add(self, path: Sequence[str], rates: _Rates, numel: int) -> None:
        self.rates.add(rates)
        self.tensors += 1
        self.parameters += numel
        if path:
            self.children.setdefault(path[0], _Node(path[0])).add(path[1:], rates, numel)

    @property
    def uniform(self) -> bool:
        return len(self.rates) == 1

    def signature(self) -> Any:
        """What is shown of this node but for its name and sizes: siblings that share it read as one."""
        if self.uniform:
            return next(iter(self.rates))
        return tuple((child.name, child.signature()) for child in _in_order(list(self.children.values())))


def by_module(_: GroupMap, chosen: Sequence[Tensor]) -> Table:
    """A row per module or parameter down to where lr and weight decay are uniform.

    Neighbours with numbers for names (blocks of a stage) that look the same inside are one row: ``0-2``.
    """
    root = _Node("(model)")
    for tensor in chosen:
        root.add(tensor.name.split("."), _rates(tensor), tensor.numel)
    return Table("", COLUMNS, tuple(_rows(root, guide="", tail="", path="")))


def _rates(tensor: Tensor) -> _Rates:
    if tensor.group is None:
        return (tensor.state, None, None)
    return (tensor.group.lr, tensor.group.lr_scale, tensor.group.weight_decay)


def _rows(
    node: _Node, *, guide: str, tail: str, path: str, label: str = "", size: tuple[int, int] = (0, 0)
) -> Iterator[tuple[Any, ...]]:
    """The row of ``node`` and of what is below it; ``tail`` is the guide that its children continue."""
    tensors, parameters = size if size[0] else (node.tensors, node.parameters)
    yield (Branch(guide, label or node.name, path or node.name), *_shown(node), tensors, parameters)
    if node.uniform:
        return
    runs = list(_runs(_in_order(list(node.children.values()))))
    for position, run in enumerate(runs):
        last = position == len(runs) - 1
        first = run[0]
        name = first.name if len(run) == 1 else f"{first.name}-{run[-1].name}"
        yield from _rows(
            first,
            guide=f"{tail}{'└── ' if last else '├── '}",
            tail=f"{tail}{'    ' if last else '│   '}",
            path=f"{path}.{name}" if path else name,
            label=name,
            size=(sum(child.tensors for child in run), sum(child.parameters for child in run)),
        )


def _shown(node: _Node) -> _Rates:
    columns = zip(*node.rates, strict=True)
    values = [next(iter(distinct)) if len(distinct) == 1 else _MIXED for distinct in map(set, columns)]
    return (values[0], values[1], values[2])


def _in_order(children: list[_Node]) -> list[_Node]:
    """Numbers by value, for a constructor may take blocks in any order; names as the optimizer has them."""
    numbered = all(child.name.isdecimal() for child in children)
    if numbered:
        return sorted(children, key=lambda child: int(child.name))
    return sorted(children, key=lambda child: _LAST.index(child.name) if child.name in _LAST else -1)


def _runs(children: list[_Node]) -> Iterator[list[_Node]]:
    run: list[_Node] = []
    for child in children:
        if run and not (
            run[-1].name.isdecimal() and child.name.isdecimal() and run[-1].signature() == child.signature()
        ):
            yield run
            run = []
        run.append(child)
    if run:
        yield run
