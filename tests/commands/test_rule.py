"""``lrdecay rule``, and docs/rules.md, which has the same texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.markdown_page import render
from lrdecay_cli.rules import RULES, Rule
from lrdecay_cli.rules.pages import report_on
from tests.commands.running import Run, lrdecay_in_terminal
from tests.golden import Golden

ROOT = Path(__file__, "../../..").resolve()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
@pytest.mark.parametrize("format_name", ["text", "rich", "markdown", "json"])
def test_a_page_has_everything(rule: Rule, format_name: str, here: Run) -> None:
    result = here("rule", rule.code.lower(), "--format", format_name)
    assert result.code == 0
    words = " ".join(result.out.split()).replace("\\", "").replace("`", "")
    assert rule.code in words
    assert rule.name in words
    for text in (rule.summary, rule.why):
        assert " ".join(text.replace("``", "").split()) in words.replace("`", "")
    if format_name != "json":
        for example in (rule.bad, rule.good):
            for line in [*example.config.splitlines(), *example.settings.splitlines(), *example.plugin.splitlines()]:
                assert line.strip().replace("\\", "").replace("`", "") in result.out.replace("\\", "").replace("`", "")
    else:
        assert json.loads(result.out)["rules"][0]["bad"]["config"] == rule.bad.config


def test_by_name_and_all(here: Run) -> None:
    assert here("rule", "scale-above-one").out == here("rule", "LRD301").out
    everything = here("rule", "--all").out
    assert [line.split()[0] for line in here("rule").out.splitlines() if line.startswith("LRD")] == [
        rule.code for rule in RULES
    ]
    assert [rule.code for rule in RULES] == [
        line.split()[0] for line in everything.splitlines() if line.startswith("LRD") and "  " in line
    ]
    assert [each["code"] for each in json.loads(here("rule", "--all", "-f", "json").out)["rules"]] == [
        rule.code for rule in RULES
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["LRD3O1"], "no rule 'LRD3O1'; did you mean LRD301?"),
        (["scale-above-won"], "did you mean scale-above-one?"),
        (["zzz"], "no rule 'zzz'; run lrdecay rule --all to list all rules"),
        (["LRD301", "--all"], "--all: this option cannot be combined with a rule; leave one out"),
        (
            ["LRD301", "--format", "sarif"],
            "--format: sarif is only for check; rule writes rich, text, json, markdown, csv, html",
        ),
    ],
)
def test_refused_arguments(arguments: list[str], message: str, here: Run) -> None:
    result = here("rule", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_in_a_narrow_terminal_nothing_is_cut() -> None:
    shown = lrdecay_in_terminal("rule", "LRD702", columns=60, NO_COLOR="1").out
    assert max(map(len, shown.splitlines())) <= 60
    assert 'message = "heads learn slowly here"' in shown


def test_the_documentation_is_up_to_date(golden: Golden) -> None:
    head = (
        "# The rules of `lrdecay check`\n\n"
        "`pytest --update-golden` writes this page from the rules. `lrdecay rule CODE` prints the page of one rule.\n\n"
    )
    golden.check_text(ROOT / "docs/rules.md", head + render(report_on(RULES, whole=True).report, Canvas()))
