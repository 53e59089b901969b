"""Build the tables of ``inspect``: with a row per group, layer or parameter, or as a tree of modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.report import Branch, Column, Table
from lrdecay_cli.text.name_patterns import fold_names

LAYER = Column("layer_id", "layer", "integer")
SCALE = Column("lr_scale", "lr scale", "scale", vital=True)
LR = Column("lr", "lr", "rate", vital=True)
WEIGHT_DECAY = Column("weight_decay", "weight decay", "rate", vital=True)
TENSORS = Column("tensors", "tensors", "integer")
PARAMETERS = Column("parameters", "parameters", "integer")
SHARE = Column("share", "share", "share")

FROZEN = Column("frozen", "frozen", "integer")
"""Column with the number of frozen tensors of a row; shown only if groups contain frozen tensors."""
WHERE = Column("where", "where", "name", vital=True)

_NUMBERS = (LAYER, SCALE, LR, WEIGHT_DECAY, TENSORS, PARAMETERS, SHARE)
GROUP_COLUMNS = (Column("group", "group", "name", vital=True), *_NUMBERS)
LAYER_COLUMNS = (*_NUMBERS, WHERE)
PARAMETER_COLUMNS = (
    Column("name", "parameter", "name", vital=True),
    Column("state", "state"),
    Column("group", "group", "name"),
    LAYER,
    SCALE,
    LR,
    WEIGHT_DECAY,
    Column("shape", "shape"),
    PARAMETERS,
)


def by_group(group_map: GroupMap, chosen: Sequence[Tensor]) -> Table:
    """Return a table with one row per group. Groups without a name share a row if their options are equal."""
    merged = _merged(chosen)
    say_where = any(len(groups) > 1 for groups, _ in merged)
    further = (*_frozen_column(chosen), *([WHERE] if say_where else []))
    universe = [tensor.name for tensor in each_once(chosen)]
    rows = []
    for groups, members in merged:
        first = groups[0]
        row = (
            groups_label([group.name for group in groups]),
            first.layer_id,
            first.lr_scale,
            first.lr,
            first.weight_decay,
            *_sums(group_map, members, further),
        )
        rows.append((*row, _where(members, universe)) if say_where else row)
    return Table("", (*GROUP_COLUMNS, *further), tuple(rows))


def by_layer(group_map: GroupMap, chosen: Sequence[Tensor]) -> Table:
    """Return a table with one row for each layer id. If a layer has several lrs or lr scales, each has a row."""
    universe = [tensor.name for tensor in each_once(chosen)]
    rows = []
    frozen = _frozen_column(chosen)
    layers = _collect(chosen, lambda group: (group.layer_id, group.lr_scale, group.lr))
    for (layer_id, lr_scale, lr), members in layers.items():
        decays = sorted({e.group.weight_decay for e in members if e.group}, key=lambda decay: (decay is None, decay))
        decay = decays[0] if len(decays) == 1 else " / ".join(_distinct_texts(decays))
        rows.append((layer_id, lr_scale, lr, decay, *_sums(group_map, members, frozen), _where(members, universe)))
    return Table("", (*LAYER_COLUMNS[:-1], *frozen, WHERE), tuple(rows))


def by_parameter(group_map: GroupMap, chosen: Sequence[Tensor]) -> Table:
    """Return a table with one row per parameter: first in the optimizer's order, then frozen and missing parameters."""
    rows = []
    for tensor in chosen:
        group = tensor.group
        values = (
            (group.name, group.layer_id, group.lr_scale, group.lr, group.weight_decay)
            if group
            else (None, None, None, None, None)
        )
        shape = "×".join(map(str, tensor.shape)) or "scalar"
        rows.append((tensor.name, tensor.status, *values, shape, tensor.numel))
    return Table("", PARAMETER_COLUMNS, tuple(rows))


def _where(members: Iterable[Tensor], universe: Sequence[str]) -> str:
    names = [tensor.name for tensor in each_once(members)]
    return ", ".join(pattern for pattern, _ in fold_names(names, universe))


def each_once(chosen: Iterable[Tensor]) -> list[Tensor]:
    """Return each tensor once, even if several optimizers step it in turn."""
    return list({tensor.name: tensor for tensor in chosen}.values())


def _distinct_texts(numbers: Sequence[float | None]) -> list[str]:
    """Return the numbers as texts with four digits, or with all digits if different numbers look the same."""
    short = ["–" if number is None else f"{number:.4g}" for number in numbers]
    return short if len(set(short)) == len(short) else ["–" if number is None else repr(number) for number in numbers]


def _merged(chosen: Iterable[Tensor]) -> list[tuple[list[ParameterGroup], list[Tensor]]]:
    def key(group: ParameterGroup) -> tuple[Any, ...]:
        if group.named:
            return (group.name,)
        return (group.layer_id, group.lr_scale, group.lr, group.weight_decay, repr(group.options))

    merged = []
    for members in _collect(chosen, key).values():
        groups = {tensor.group.name: tensor.group for tensor in members if tensor.group}
        merged.append((list(groups.values()), members))
    return merged


def _collect(chosen: Iterable[Tensor], key: Callable[[ParameterGroup], Any]) -> dict[Any, list[Tensor]]:
    collected: dict[Any, list[Tensor]] = {}
    for tensor in chosen:
        if tensor.group is not None:
            collected.setdefault(key(tensor.group), []).append(tensor)
    return collected


def groups_label(names: Sequence[str]) -> str:
    """Return the name of a single group; for several groups, a text such as ``3 groups: group_0 … group_2``."""
    return names[0] if len(names) == 1 else f"{len(names)} groups: {names[0]} … {names[-1]}"


def _frozen_column(chosen: Iterable[Tensor]) -> tuple[Column, ...]:
    return (FROZEN,) if any(tensor.state == "frozen_in_group" for tensor in chosen) else ()


def _sums(group_map: GroupMap, members: Sequence[Tensor], further: Sequence[Column]) -> tuple[int | float, ...]:
    """Return the counts in a row: tensors, parameters, share of the model's parameters, and frozen tensors if shown."""
    members = each_once(members)
    parameters = sum(tensor.numel for tensor in members)
    frozen = [sum(not tensor.trainable for tensor in members)] if FROZEN in further else []
    return len(members), parameters, parameters / (group_map.model.totals.parameters or 1), *frozen


MODULE_COLUMNS = (Column("module", "module", "tree", vital=True), LR, SCALE, WEIGHT_DECAY, TENSORS, PARAMETERS)

# (lr, lr scale, weight decay) if uniform below; for frozen tensors, the state instead of the lr.
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
        """Return all displayed values of this node except its name and sizes.

        Siblings with equal values share a row.
        """
        if self.uniform:
            return next(iter(self.rates))
        return tuple((child.name, child.signature()) for child in _in_order(list(self.children.values())))


def by_module(group_map: GroupMap, chosen: Sequence[Tensor]) -> Table:
    """Return a table that shows the tree of modules in the model's order, one row per module.

    If all parameters of a module have the same lr and weight decay, its children are not shown. Neighbours with numeric
    names (blocks of a stage) and equal contents share a row: ``0-2``.
    """
    root = _Node("(model)")
    held: dict[str, list[Tensor]] = {}
    # The optimizer's order would put frozen modules last.
    places = {name: place for place, name in enumerate(group_map.registered)}
    for tensor in sorted(chosen, key=lambda tensor: places.get(tensor.name, len(places))):
        held.setdefault(tensor.name, []).append(tensor)
    for name, (tensor, *others) in held.items():
        columns = zip(*map(_rates, (tensor, *others)), strict=True)
        rates = _rates(tensor) if not others else tuple(map(_value_in_turns, columns))
        root.add(name.split("."), (rates[0], rates[1], rates[2]), tensor.numel)
    return Table("", MODULE_COLUMNS, tuple(_rows(root, guide="", tail="", path="")))


def _value_in_turns(values: Sequence[Any]) -> Any:
    """Return the value, for example the lr, to show for a tensor that several optimizers step in turn.

    If the optimizers have different values, the result is a text such as ``0.001 / 0.0001``.
    """
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else " / ".join(_distinct_texts(distinct))


def _rates(tensor: Tensor) -> _Rates:
    if not tensor.trainable:
        return (tensor.status, None, None)
    if tensor.group is None:
        return (tensor.state, None, None)
    return (tensor.group.lr, tensor.group.lr_scale, tensor.group.weight_decay)


def _rows(
    node: _Node, *, guide: str, tail: str, path: str, label: str = "", size: tuple[int, int] = (0, 0)
) -> Iterator[tuple[Any, ...]]:
    """Yield the row of ``node`` and the rows of its children.

    ``guide`` contains the tree lines before the name of ``node``, and ``tail`` the tree lines before
    the names of its children.
    """
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
    """Return the children in the order of the table: numeric names by value, other names as in the model."""
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
