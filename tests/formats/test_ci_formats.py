"""SARIF and JUnit against schemas that we did not write, GitHub's commands against what its runner undoes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lxml import etree

from lrdecay_cli.checking.reporting import report_of
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckedMap, CheckResult, Finding, Skipped, Suppression
from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.report import Report, Result
from lrdecay_cli.formats import Canvas, render

DATA = Path(__file__, "../../data").resolve()
EVIL = "configs/a:b,%0A::error\r\n::warning::x##[error]\x1b]<&>'\".py"


def finding(severity: Any = "error", **fields: Any) -> Finding:
    usual: dict[str, Any] = {
        "code": "LRD301",
        "name": "scale-above-one",
        "severity": severity,
        "config": "configs/a.py",
        "message": "8 groups train faster",
        "parameters": ("backbone.a", "backbone.b"),
        "patterns": ("backbone.*",),
        "option": "optim_wrapper.paramwise_cfg.num_layers",
        "why": "It matters.",
        "remedy": "num_layers=12 fits",
        "fingerprint": "0123456789abcdef",
    }
    return Finding(**{**usual, **fields})


def result(*findings: Finding, unjudged: tuple[Skipped, ...] = (), **fields: Any) -> CheckResult:
    checked = (CheckedMap("configs/a.py", "configs/a.py", "0" * 64, 3, 2), CheckedMap("clean.py", "-", "0" * 64, 3, 2))
    usual: dict[str, Any] = {"schema_version": 1, "tool": Tool("lrdecay", "0"), "fail_on": "error"}
    return CheckResult(**{**usual, **fields}, checked=checked, unjudged=unjudged, findings=findings)


def rendered(name: str, found: CheckResult) -> str:
    return render(name, report_of(found), Canvas())


HARD = result(
    finding(),
    finding("warning", code="LRD901", name="suppression-matches-nothing", config="lrdecay.toml", option="suppress[1]"),
    finding("info", config="mmdet::convnext/a.py", parameters=(), patterns=()),
    finding(suppressed=Suppression("known", "lrdecay.toml: suppress[0]", "2027-01-31")),
    finding(suppressed=Suppression("known", "configs/a.py:3", line=3)),
    finding(config=EVIL, message=EVIL, parameters=(EVIL,), patterns=(EVIL,), option=EVIL),
    unjudged=(
        Skipped("configs/b.py", "needs mmpose", "package 'mmpose' is not installed"),
        Skipped(EVIL, "error", EVIL),
    ),
)


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is below the root of a repository; two of the files are there."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub" / "configs").mkdir(parents=True)
    (tmp_path / "sub/configs/a.py").write_text(
        "x = 1\n# num_layerss\noptim_wrapper = dict(\n    num_layers=6)\n# {'neck.*': 1}\n"
    )
    (tmp_path / "sub/lrdecay.toml").write_text('[[suppress]]\nrule = "LRD301"\n\n[[suppress]]\nrule = "LRD302"\n')
    monkeypatch.chdir(tmp_path / "sub")


@pytest.mark.parametrize("found", [HARD, result()], ids=["hard", "clean"])
def test_sarif_is_valid(found: CheckResult) -> None:
    schema = json.loads((DATA / "sarif-2.1.0.json").read_text())
    jsonschema.Draft4Validator.check_schema(schema)
    document = json.loads(rendered("sarif", found))
    jsonschema.Draft4Validator(schema).validate(document)
    # A schema that lets anything pass would show nothing.
    document["runs"][0]["tool"]["driver"]["nmae"] = "lrdecay"
    assert not jsonschema.Draft4Validator(schema).is_valid(document)


def test_sarif_says_where_and_why() -> None:
    (run,) = json.loads(rendered("sarif", HARD))["runs"]
    places = [
        (place["artifactLocation"]["uri"], place["region"]["startLine"])
        for found in run["results"]
        for place in [found["locations"][0]["physicalLocation"]]
    ]
    assert places[:3] == [("sub/configs/a.py", 4), ("sub/lrdecay.toml", 4), ("mmdet/convnext/a.py", 1)]
    assert [found["level"] for found in run["results"][:3]] == ["error", "warning", "note"]
    assert {found["partialFingerprints"]["lrdecayFinding/v1"] for found in run["results"]} == {"0123456789abcdef"}
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["LRD301", "LRD901"]
    assert all(rules[found["ruleIndex"]]["id"] == found["ruleId"] for found in run["results"])
    assert "num_layers=12" in rules[0]["help"]["markdown"]
    suppressions = [found["suppressions"] for found in run["results"]]
    assert [bool(one) for one in suppressions] == [False, False, False, True, True, False]
    assert [one[0]["kind"] for one in suppressions if one] == ["external", "inSource"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "needs mmpose" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    for uri, _ in places:
        assert re.fullmatch(r"[\w/.%~-]+", uri), uri


@pytest.mark.parametrize("found", [HARD, result()], ids=["hard", "clean"])
def test_junit_is_valid(found: CheckResult) -> None:
    schema = etree.XMLSchema(etree.parse(str(DATA / "junit-10.xsd")))
    document = etree.fromstring(rendered("junit", found).encode())
    schema.assertValid(document)
    document[0].attrib.pop("tests")
    assert not schema.validate(document)


def test_junit_counts_what_it_holds() -> None:
    document = etree.fromstring(rendered("junit", HARD).encode())
    for name, what in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        for suite in document:
            assert int(suite.get(name)) == len(suite.findall(f".//{what}")), (name, suite.get("name"))
    total = {name: document.get(name) for name in ("tests", "failures", "errors")}
    assert total == {"tests": "9", "failures": "2", "errors": "2"}
    suites = {suite.get("name"): suite for suite in document}
    assert suites["configs/a.py"].get("file") == "sub/configs/a.py"
    assert [case.get("name") for case in suites["clean.py"]] == ["no findings"]
    # A warning fails nothing below --fail-on error, and is there all the same.
    assert suites["lrdecay.toml"].find(".//system-out").text.startswith("warning: ")
    assert (
        len(
            etree.fromstring(rendered("junit", result(finding("warning"), fail_on="warning")).encode()).findall(
                ".//failure"
            )
        )
        == 1
    )


def undone(command: str) -> tuple[str, dict[str, str], str]:
    """Kind, properties and message of a command, as the runner reads it (``actions/runner``, ``ActionCommand.cs``)."""
    kind, properties, data = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", command).groups()  # type: ignore[union-attr]

    def plain(text: str) -> str:
        for escaped, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(escaped, char)
        return text

    return kind, {k: plain(v) for k, _, v in (p.partition("=") for p in properties.split(","))}, plain(data)


def test_github_annotations_are_read_back() -> None:
    lines = rendered("github", HARD).splitlines()
    # Two that could not be judged, two errors, a warning, a note; the suppressed ones do not count.
    commands = [undone(line) for line in lines if line.startswith("::")]
    assert [kind for kind, _, _ in commands] == ["error"] * 4 + ["warning", "notice"]
    assert commands[2][1] == {"file": "sub/configs/a.py", "line": "4", "title": "LRD301 scale-above-one"}
    assert commands[2][2] == "8 groups train faster\nbackbone.*\nWhy: It matters.\nRemedy: num_layers=12 fits"
    assert commands[4][1]["line"] == "4"
    assert "file" not in commands[5][1]
    assert commands[5][2].startswith("mmdet::convnext/a.py: 8 groups")
    assert len(lines) == len(commands) + 1
    assert lines[-1] == "could not judge" or "2 errors" in lines[-1]


def test_a_key_that_is_no_word_has_its_line() -> None:
    option = "optim_wrapper.paramwise_cfg.custom_keys['neck.*']"
    (line, _) = rendered("github", result(finding(option=option))).splitlines()
    assert line.startswith("::error file=sub/configs/a.py,line=5,")


def test_github_shows_ten_and_tells_the_rest() -> None:
    many = result(*(finding("info", message=f"m{n}") for n in range(9)), *(finding(message=f"e{n}") for n in range(9)))
    lines = rendered("github", many).splitlines()
    assert [line.startswith("::error") for line in lines[:10]] == [True] * 9 + [False]
    assert lines[9].startswith("::notice")
    assert lines[10] == "and 8 more, which GitHub would not show as annotations:"
    assert len(lines) == 20
    assert all(f": m{n}; num_layers=12 fits" in lines[10 + n] for n in range(1, 9))


def test_github_tells_of_all_that_could_not_be_judged() -> None:
    lines = rendered("github", result(unjudged=tuple(Skipped(f"{n}.py", "error", "odd") for n in range(12)))).split(
        "\n"
    )
    assert [line.startswith("::error") for line in lines[:11]] == [True] * 10 + [False]
    assert lines[11:13] == ["error: 10.py: error: odd", "error: 11.py: error: odd"]


def test_nothing_in_a_github_log_is_a_command_but_ours() -> None:
    evil = result(*(finding("info", config=EVIL, message=EVIL, remedy=EVIL) for _ in range(12)))
    lines = rendered("github", evil).split("\n")
    assert len([line for line in lines if line.lstrip().startswith("::")]) == 10
    assert "##[" not in "\n".join(lines)
    assert "\x1b" not in "\n".join(lines)


@pytest.mark.parametrize("name", ["sarif", "junit", "github", "ndjson"])
def test_other_reports_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(LrdecayError, match=rf"{name} is for .*check: this report .*; use json"):
        render(name, Result(None, Report((), (), (), "")), Canvas())


def test_ndjson_has_a_line_for_each_record() -> None:
    lines = [json.loads(line) for line in rendered("ndjson", HARD).splitlines()]
    assert [line.get("code", line.get("status")) for line in lines][:2] == ["LRD301", "LRD901"]
    assert len(lines) == 8
