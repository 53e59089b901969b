"""Rule pages as reports: what ``lrdecay rule`` prints and what docs/rules.md contains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import cleandoc

import msgspec

from lrdecay_cli.domain.finding import RULES_SCHEMA_VERSION, ExampleText, RulePage, RulePages
from lrdecay_cli.domain.report import Block, Column, Page, Report, Result, Table
from lrdecay_cli.rules.registry import BASE, Rule
from lrdecay_cli.text.counting import count, either

_UNCHANGED = "# the base config, unchanged"
_COLUMNS = (
    Column("code", "code", vital=True),
    Column("severity", "severity"),
    # Before the name, so that it wraps first in a narrow terminal.
    Column("summary", "finds"),
    Column("name", "name", vital=True),
)


def page_of(rule: Rule) -> RulePage:
    """Return the page of a rule, made from its docstring and its two examples."""
    paragraphs = [" ".join(part.split()) for part in cleandoc(rule.documentation).split("\n\n")]
    bad, good = (
        ExampleText(text.config, text.plugin, text.settings, text.baseline, text.program)
        for text in (rule.bad, rule.good)
    )
    return RulePage(
        rule.code,
        rule.name,
        rule.severity,
        rule.summary,
        paragraphs[1],
        tuple(paragraphs[2:]),
        bad,
        good,
        rule.also,
    )


def report_on(rules: Sequence[Rule], *, whole: bool) -> Result[RulePages]:
    """Return the pages of ``rules``. If ``whole`` is True, a table of contents and the base config come first."""
    pages = tuple(page_of(rule) for rule in rules)
    base = Page("The base config of all examples", (Block(BASE.rstrip(), code="python"),))
    contents = Table(
        "",
        _COLUMNS,
        tuple((page.code, _severities(page), page.summary.replace("``", ""), page.name) for page in pages),
    )
    report = Report(
        facts=(),
        tables=(contents,) if whole else (),
        notes=(),
        summary=count(len(pages), "rule") if whole else "lrdecay rule --all prints the base config of the examples",
        rows=contents,
        pages=(*((base,) if whole else ()), *(Page(f"{p.code} {p.name}", tuple(blocks_of(p))) for p in pages)),
    )
    return Result(RulePages(RULES_SCHEMA_VERSION, BASE, pages), report)


def _severities(page: RulePage) -> str:
    """Return the severities in a few characters, because the summary needs the width of the terminal."""
    return "info to error" if len(page.also) > 1 else ", ".join((page.severity, *page.also))


def list_of(rules: Sequence[Rule]) -> Result[RulePages]:
    """Return a table of ``rules`` with one line per rule. The JSON output also contains the pages of the rules."""
    summary = f"{len(rules)} rules; lrdecay rule {rules[0].code} prints the page of one"
    result = report_on(rules, whole=True)
    return Result(result.document, msgspec.structs.replace(result.report, pages=(), summary=summary))


def blocks_of(page: RulePage) -> Iterator[Block]:
    """Yield the paragraphs and code examples of a rule's page."""
    severities = ", sometimes ".join(filter(None, (page.severity, either(page.also))))
    yield Block(f"{severities.capitalize()}: {page.summary}")
    yield Block(page.why)
    yield from (Block(paragraph) for paragraph in page.details)
    if page.bad == page.good:
        # The mistake is an edit of the map, which the config does not show.
        return
    for title, example in (("Wrong", page.bad), ("Right", page.good)):
        shown = example.program.strip("\n") or example.config or _UNCHANGED
        yield Block(shown, code="python", title=title)
        if example.plugin:
            yield Block(example.plugin.strip("\n"), code="python", title=f"{title}, plugin.py")
        if example.settings:
            yield Block(example.settings, code="toml", title=f"{title}, lrdecay.toml")
        if example.baseline is not None:
            changed = f"{title}, the config when the baseline was written"
            yield Block(example.baseline or _UNCHANGED, code="python", title=changed)
