"""Parameters of published models: their kind, whether lrdecay exempts them from weight decay, and the source.

``published`` is the decision of the source. If ``exempt`` differs, ``reason`` names the lists that decide against it.
``slow`` applies to parameters that a backbone registers beside its blocks: ``yes`` means that they train with the stem.
Sources ``timm::…``, ``mmdet::…`` and ``mmpretrain::…`` are read in the installed package; other sources were looked up.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple, get_args

from lrdecay_cli.domain.training import Module, Trait


class Row(NamedTuple):
    name: str
    type: str
    traits: str
    shape: str
    kind: str
    exempt: str
    slow: str
    published: str
    source: str
    reason: str

    @property
    def module(self) -> Module:
        traits = tuple(trait for trait in get_args(Trait) if trait in self.traits.split())
        return Module(self.type, traits, (self.name.rpartition(".")[2],))

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(map(int, self.shape.split("x"))) if self.shape else ()


def rows() -> list[Row]:
    with Path(__file__).with_name("parameter_kinds.csv").open(encoding="utf-8", newline="") as file:
        head, *found = csv.reader(file)
    assert tuple(head) == Row._fields
    return [Row(*row) for row in found]


ROWS = rows()
IDS = [f"{row.source.replace(' ', '-')}-{row.name}" for row in ROWS]
