"""Markdown, as a parser reads it."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from lrdecay_cli.domain.report import Block, Column, Page, Report, Table
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.markdown_page import render

COLUMNS = (Column("name", "name", "name"), Column("lr", "lr", "rate"))


def report(rows: int, pages: tuple[Page, ...] = ()) -> Report:
    table = Table("of <all> & each", COLUMNS, tuple((f"a.{row}", 1e-4) for row in range(rows)))
    return Report((), (table,), (), "done", pages=pages, next_step="lrdecay check 'a b.py'")


@pytest.mark.parametrize(
    ("rows", "pages", "folded"),
    [(3, (), False), (41, (), True), (41, (Page("first", (Block("text"),)),), False)],
    ids=["short", "long", "a table of contents"],
)
def test_a_long_table_is_folded(rows: int, pages: tuple[Page, ...], folded: bool) -> None:
    text = render(report(rows, pages), Canvas())
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert html.count("<tr>") == rows + 1
    assert ("<details>" in html) is folded
    if folded:
        assert "<summary>of &lt;all&gt; &amp; each: 41 rows</summary>" in html
        assert html.index("<details>") < html.index("<table>") < html.index("</details>")
    assert "Next: <code>lrdecay check 'a b.py'</code>" in html
