"""The result of a command: a data document, and a readable report that is independent of the output format."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import msgspec

from lrdecay_cli.domain.group_map import GroupMap

Kind = Literal["name", "text", "integer", "rate", "scale", "share", "factor", "tree"]
"""How a column is printed: ``rate`` is a learning rate or weight decay, ``scale`` an lr scale (with a bar if there is
room), ``share`` a fraction of 1, ``factor`` a ratio (``×0.12``), ``tree`` a :class:`Branch`.
"""

Level = Literal["info", "warning", "error"]


class Branch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cell of a tree: a module's path with the guide lines to it."""

    guide: str
    label: str
    path: str


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of a table."""

    key: str
    """Name of the column in data formats and for ``--sort``: lower case, underscores."""
    title: str
    """Heading of the column for readers."""
    kind: Kind = "text"
    vital: bool = False
    """True if a narrow terminal drops this column only after all columns without this flag."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of raw values, one per column: numbers stay numbers, a missing value is None."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line below the tables; ``details`` are separate lines, mostly patterns."""

    text: str
    level: Level = "info"
    details: tuple[str, ...] = ()
    to_copy: bool = False
    """True if the details are commands: one line each, never wrapped."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of a section: one finding, or another entry with a level, a name and a message."""

    level: Level
    label: str
    """Name of the item: ``LRD301 scale-above-one``."""
    text: str
    details: tuple[str, ...] = ()
    """Separate lines, mostly patterns."""
    facts: tuple[tuple[str, str], ...] = ()
    """Pairs of label and value, in order."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items about the same subject, in most cases a config."""

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
    """A text to read: a rule's documentation."""

    title: str
    blocks: tuple[Block, ...]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a chart."""

    label: str
    values: tuple[float, ...]
    """One value for each step of the chart."""


class Chart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values over a run, as lines from step to step."""

    title: str
    """What is drawn: ``lr``."""
    unit: str
    """The unit of a step: ``iteration`` or ``epoch``."""
    length: int
    """Number of steps of the run."""
    part: int | None
    """Iterations per epoch, to mark epochs; None if steps are the only unit."""
    steps: tuple[int, ...]
    lines: tuple[Line, ...]
    """From the slowest groups to the fastest."""
    logarithmic: bool
    """True if the values need a logarithmic scale."""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The report of a command for readers."""

    facts: tuple[tuple[str, str], ...]
    """Labels and values in order; the head of the report."""
    tables: tuple[Table, ...]
    notes: tuple[Note, ...]
    summary: str
    """One line: the total, or the verdict."""
    rows: Table | None = None
    """Tables for CSV, if the report's own tables are folded; None if CSV uses the report's tables."""
    sections: tuple[Section, ...] = ()
    """Shown before the tables."""
    code: str = ""
    """Python to paste, shown unchanged."""
    based_on: str = ""
    """If the code is a config that inherits from another config: that config, as the user named it. Otherwise empty."""
    pages: tuple[Page, ...] = ()
    """Shown after the tables."""
    chart: Chart | None = None
    """Charts, which formats that can draw put above the tables."""
    lead: tuple[str, ...] = ()
    """Up to three sentences at the top: the result in words."""
    next_step: str = ""
    """The command to run next, shown after the summary; empty if none is needed."""


Document = TypeVar("Document", bound=msgspec.Struct, covariant=True)


class Result(msgspec.Struct, Generic[Document], frozen=True):
    """The result of one run of a command."""

    document: Document
    """The record that formats such as JSON write."""
    report: Report
    maps: tuple[GroupMap, ...] = ()
    """Group maps for an HTML page, if the document itself contains none."""


AnyResult = Result[msgspec.Struct]
"""The result of any command."""
