"""What a command gives: a document for machines, and a report for people before anybody decides how it looks."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import msgspec

from lrdecay_cli.domain.group_map import GroupMap

Kind = Literal["name", "text", "integer", "rate", "scale", "share", "factor", "tree"]
"""How a column is written: ``rate`` is a learning rate or weight decay, ``scale`` an lr scale (with a bar where there
is room), ``share`` a fraction of 1, ``factor`` one number over another (``×0.12``), ``tree`` a :class:`Branch`."""

Level = Literal["info", "warning", "error"]


class Branch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cell of a tree: a module's path with the guides that lead to it."""

    guide: str
    label: str
    path: str


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of a table."""

    key: str
    """For machines and ``--sort``: lower case, underscores."""
    title: str
    """For people."""
    kind: Kind = "text"
    vital: bool = False
    """Whether a narrow terminal gives up every other column before this one."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of raw values, one per column: numbers stay numbers, a missing value is None."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line below the tables; ``details`` are lines of their own, patterns mostly."""

    text: str
    level: Level = "info"
    details: tuple[str, ...] = ()
    to_copy: bool = False
    """Whether the details are commands: one line each, however long."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of a section: one finding, or whatever else has a level, a name and something to say."""

    level: Level
    label: str
    """What it is called: ``LRD301 scale-above-one``."""
    text: str
    details: tuple[str, ...] = ()
    """Lines of their own, patterns mostly."""
    facts: tuple[tuple[str, str], ...] = ()
    """Label and value, in order."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items about one thing, a config mostly."""

    title: str
    items: tuple[Item, ...]


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paragraph of a page, or code."""

    text: str
    """A paragraph on one line, with code between double backticks; code with its own lines."""
    code: str = ""
    """The language of the code; empty for a paragraph."""
    title: str = ""


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to read: a rule's documentation."""

    title: str
    blocks: tuple[Block, ...]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a chart."""

    label: str
    values: tuple[float, ...]
    """One for each step of the chart."""


class Chart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values over a run, as lines from step to step."""

    title: str
    """What is drawn: ``lr``."""
    unit: str
    """What a step is: ``iteration`` or ``epoch``."""
    length: int
    """How many of these the run has."""
    part: int | None
    """How many iterations an epoch has, to mark epochs; None where steps are all that there is."""
    steps: tuple[int, ...]
    lines: tuple[Line, ...]
    """From the slowest groups to the fastest."""
    logarithmic: bool
    """Whether values are too far apart for a linear scale."""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people read."""

    facts: tuple[tuple[str, str], ...]
    """Label and value, in order; the head of the report."""
    tables: tuple[Table, ...]
    notes: tuple[Note, ...]
    summary: str
    """One line: the total, or the verdict."""
    rows: Table | None = None
    """What CSV writes, where the tables are folded further than a machine wants them; None for the tables."""
    sections: tuple[Section, ...] = ()
    """Told before the tables."""
    code: str = ""
    """Python to paste, shown as it is."""
    based_on: str = ""
    """The config that a file with the code in it is based on, as the user named it; empty where it is on none."""
    pages: tuple[Page, ...] = ()
    """Told after the tables."""
    chart: Chart | None = None
    """What formats that can draw put above the tables."""
    lead: tuple[str, ...] = ()
    """Up to three sentences to begin with: the result in words."""
    next_step: str = ""
    """The command to run next, shown after the summary; empty where the report needs none."""


Document = TypeVar("Document", bound=msgspec.Struct, covariant=True)


class Result(msgspec.Struct, Generic[Document], frozen=True):
    """Everything that one run of a command found out."""

    document: Document
    """The record that machines read; formats such as JSON write it."""
    report: Report
    maps: tuple[GroupMap, ...] = ()
    """The group maps behind a document that does not hold them, for a page to show."""


AnyResult = Result[msgspec.Struct]
"""That of any command."""
