"""The result of a command: a document for machines, and a report for readers.

Each output format uses the document, the report, or both.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import msgspec

from lrdecay_cli.domain.group_map import GroupMap

Kind = Literal["name", "text", "integer", "rate", "scale", "share", "factor", "tree"]
"""How the values of a column are printed.

``rate`` is a learning rate or weight decay. ``scale`` is an lr scale, with a bar if there is room. ``share`` is a
fraction between 0 and 1. ``factor`` is a ratio such as ``×0.12``. ``tree`` is a :class:`Branch`.
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
    """Name of the column in CSV and for ``--sort``, for example ``lr_scale``."""
    title: str
    """Heading of the column in reports for people, for example ``lr scale``."""
    kind: Kind = "text"
    vital: bool = False
    """True for an important column. A narrow terminal drops all other columns before it drops this one."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of raw values: numbers stay numbers, and a missing value is None."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A note below the tables. Each detail, such as a name pattern, is printed on a separate line."""

    text: str
    level: Level = "info"
    details: tuple[str, ...] = ()
    to_copy: bool = False
    """True if the details are commands for the user to copy. Each command is printed on one line without wrapping."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of a section, in most cases a finding. It has a level, a name and a message."""

    level: Level
    label: str
    """Name of the item, for example ``LRD301 scale-above-one``."""
    text: str
    details: tuple[str, ...] = ()
    """Lines below the message, in most cases name patterns of parameters."""
    facts: tuple[tuple[str, str], ...] = ()
    """Pairs of a label and a value below the message, for example ``("fix", "set num_layers=12")``."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items about the same subject, in most cases about one config."""

    title: str
    items: tuple[Item, ...]


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a page: a paragraph or a block of code."""

    text: str
    """The text of a paragraph as one line, with code between double backticks; or the lines of a block of code."""
    code: str = ""
    """For a block of code, its language, for example ``python``; empty for a paragraph."""
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
    """Name of the value that the chart shows, for example ``lr``."""
    unit: str
    """The unit of a step: ``iteration`` or ``epoch``."""
    length: int
    """Number of steps of the run."""
    part: int | None
    """Iterations per epoch, to mark epochs on the axis. None if the chart has no epochs."""
    steps: tuple[int, ...]
    lines: tuple[Line, ...]
    """The lines of the chart. Within an optimizer, lines of groups are sorted by their highest value, lowest first."""
    logarithmic: bool
    """True to draw the values on a logarithmic axis."""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The report of a command, for people to read. Output formats render it."""

    facts: tuple[tuple[str, str], ...]
    """Pairs of a label and a value at the top of the report, for example ``("config", "a.py")``."""
    tables: tuple[Table, ...]
    notes: tuple[Note, ...]
    summary: str
    """The result in one line, for example the number of findings."""
    rows: Table | None = None
    """The table that CSV writes if ``tables`` combine several rows into one. None if CSV writes ``tables``."""
    sections: tuple[Section, ...] = ()
    """Sections that are shown before the tables."""
    code: str = ""
    """Python code for the user to copy. No output format changes this code."""
    based_on: str = ""
    """The config that ``code`` inherits from, as the user named it. Empty if ``code`` has no ``_base_``."""
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
    """Group maps that the HTML page shows if the document itself contains no group map."""


AnyResult = Result[msgspec.Struct]
"""The result of any command."""
