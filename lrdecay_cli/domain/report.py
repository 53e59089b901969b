"""The result of a command: a document for machines, and a report for readers.

Each output format uses the document, the report, or both.
"""

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
    """A table cell that shows a module's path as a branch of a tree, with guide lines."""

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
    """A table of raw values: numbers stay numbers, and a missing value is None."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A note below the tables. Each of the ``details``, such as a name pattern, is printed on its own line."""

    text: str
    level: Level = "info"
    details: tuple[str, ...] = ()
    to_copy: bool = False
    """True if the details are commands: one line each, never wrapped."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of a section, with a level, a name and a message. In most cases it is a finding."""

    level: Level
    label: str
    """Name of the item: ``LRD301 scale-above-one``."""
    text: str
    details: tuple[str, ...] = ()
    """Separate lines, mostly patterns."""
    facts: tuple[tuple[str, str], ...] = ()
    """Pairs of label and value, in order."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items about the same subject, in most cases about one config."""

    title: str
    items: tuple[Item, ...]


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a page: a paragraph or a block of code."""

    text: str
    """A paragraph in one line, with code between double backticks. A block of code keeps its lines."""
    code: str = ""
    """The language of the code; empty for a paragraph."""
    title: str = ""


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of text, such as the documentation of a rule."""

    title: str
    blocks: tuple[Block, ...]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a chart."""

    label: str
    values: tuple[float, ...]
    """One value for each step of the chart."""


class Chart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line chart of values over the steps of a run."""

    title: str
    """The drawn value: ``lr``."""
    unit: str
    """The unit of a step: ``iteration`` or ``epoch``."""
    length: int
    """Number of steps of the run."""
    part: int | None
    """Iterations per epoch, to mark epochs on the axis. None if the chart has no epochs."""
    steps: tuple[int, ...]
    lines: tuple[Line, ...]
    """The lines of the chart, from the groups with the lowest values to those with the highest."""
    logarithmic: bool
    """True if the values need a logarithmic scale."""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The report of a command, for people to read. Output formats render it."""

    facts: tuple[tuple[str, str], ...]
    """Pairs of label and value at the top of the report, in order."""
    tables: tuple[Table, ...]
    notes: tuple[Note, ...]
    summary: str
    """One line with the total or the verdict."""
    rows: Table | None = None
    """A complete table for CSV, if the tables of the report combine rows. None if CSV uses the tables of the report."""
    sections: tuple[Section, ...] = ()
    """Sections that are shown before the tables."""
    code: str = ""
    """Python code for the user to copy. Formats do not change it."""
    based_on: str = ""
    """The config that ``code`` inherits from, as the user named it. Empty if it does not inherit from a config."""
    pages: tuple[Page, ...] = ()
    """Pages that are shown after the tables."""
    chart: Chart | None = None
    """A chart of values over the run. Formats with pictures show it above the tables."""
    lead: tuple[str, ...] = ()
    """Up to three sentences at the top, with the result in words."""
    next_step: str = ""
    """The command to run next, shown after the summary; empty if none is needed."""


Document = TypeVar("Document", bound=msgspec.Struct, covariant=True)


class Result(msgspec.Struct, Generic[Document], frozen=True):
    """The result of one run of a command."""

    document: Document
    """The record that JSON and other data formats write."""
    report: Report
    maps: tuple[GroupMap, ...] = ()
    """Group maps for the HTML page, if the document contains none."""


AnyResult = Result[msgspec.Struct]
"""The result of any command."""
