"""SARIF and JUnit compared with official schemas, and GitHub's commands with the unescaping of its runner."""

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
from lrdecay_cli.domain.finding import SEVERITIES, CheckedMap, CheckResult, Finding, Skipped, Suppression
from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.origins import Place
from lrdecay_cli.domain.report import Note, Report, Result
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
        "fix": "num_layers=12 fits",
        "fingerprint": "0123456789abcdef",
    }
    return Finding(**{**usual, **fields})


def result(*findings: Finding, unjudged: tuple[Skipped, ...] = (), **fields: Any) -> CheckResult:
    checked = (CheckedMap("configs/a.py", "configs/a.py", "0" * 64, 3, 2), CheckedMap("clean.py", "-", "0" * 64, 3, 2))
    usual: dict[str, Any] = {
        "schema_version": 1,
        "tool": Tool("lrdecay", "0"),
        "fail_on": "error",
        "checked": checked,
    }
    return CheckResult(**{**usual, **fields}, unjudged=unjudged, findings=findings)


def rendered(name: str, found: CheckResult) -> str:
    return render(name, report_of(found), Canvas())


ALONE = {"checked": (CheckedMap("configs/a.py", "configs/a.py", "0" * 64, 3, 2),)}
SET = Place("configs/a.py", 4, 5, 4, 17)
BASE = Place("configs/base.py", 1, 1, 1, 6)
ZOO = Place("mmdet::convnext/b.py", 88, 9, 88, 21)
NAMED = Place("configs/base.py", 2, 10, 2, 32)
FROM_ZOO = finding(place=ZOO, bases=(NAMED, Place("configs/c.py", 1, 11, 1, 20)), config="configs/c.py")
HARD = result(
    finding(place=SET, replaces=(BASE, ZOO)),
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
    """The working directory is below the root of a repository and contains two of the files."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub" / "configs").mkdir(parents=True)
    (tmp_path / "sub/configs/a.py").write_text(
        "x = 1\n# num_layerss\noptim_wrapper = dict(\n    num_layers=6)\n# {'neck.*': 1}\n"
    )
    (tmp_path / "sub/configs/base.py").write_text("x = 6\n")
    (tmp_path / "sub/configs/c.py").write_text("_base_ = 'a.py'\n")
    (tmp_path / "sub/lrdecay.toml").write_text('[[suppress]]\nrule = "LRD301"\n\n[[suppress]]\nrule = "LRD302"\n')
    monkeypatch.chdir(tmp_path / "sub")


@pytest.mark.parametrize("found", [HARD, result()], ids=["hard", "clean"])
def test_sarif_is_valid(found: CheckResult) -> None:
    schema = json.loads((DATA / "sarif-2.1.0.json").read_text())
    jsonschema.Draft4Validator.check_schema(schema)
    document = json.loads(rendered("sarif", found))
    jsonschema.Draft4Validator(schema).validate(document)
    # A schema that accepts everything would prove nothing.
    document["runs"][0]["tool"]["driver"]["nmae"] = "lrdecay"
    assert not jsonschema.Draft4Validator(schema).is_valid(document)


def test_sarif_contains_place_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = json.loads(rendered("sarif", HARD))["runs"]
    places = [
        (place["artifactLocation"]["uri"], place["region"]["startLine"])
        for found in run["results"]
        for place in [found["locations"][0]["physicalLocation"]]
    ]
    assert places[0] == ("sub/configs/a.py", 4)
    assert places[4:] == [("sub/lrdecay.toml", 4), ("mmdet/convnext/a.py", 1)]
    assert [found["level"] for found in run["results"]] == [*["error"] * 4, "warning", "note"]
    region = {"startLine": 4, "startColumn": 5, "endLine": 4, "endColumn": 17}
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == region
    related = [(at["physicalLocation"], at["message"]["text"]) for at in run["results"][0]["relatedLocations"]]
    assert [(at["artifactLocation"]["uri"], at["region"]["startLine"], text) for at, text in related] == [
        ("sub/configs/base.py", 1, "the option that the finding is about replaces this value")
    ]
    assert {found["partialFingerprints"]["lrdecayFinding/v1"] for found in run["results"]} == {"0123456789abcdef"}
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["LRD301", "LRD901"]
    assert all(rules[found["ruleIndex"]]["id"] == found["ruleId"] for found in run["results"])
    assert "num_layers=12" in rules[0]["help"]["markdown"]
    assert "helpUri" not in rules[0]
    linked = json.loads(rendered("sarif", result(finding(), rules_url="https://example.org/docs/rules.md")))
    address = linked["runs"][0]["tool"]["driver"]["rules"][0]["helpUri"]
    page, _, anchor = address.partition("#")
    assert page == "https://example.org/docs/rules.md"
    headings = re.findall(r"^## (.+)$", Path(__file__, "../../../docs/rules.md").resolve().read_text(), re.MULTILINE)
    assert anchor in [heading.lower().replace(" ", "-") for heading in headings]
    # Without a setting, the page is at the address from which lrdecay was installed.
    monkeypatch.setattr("lrdecay_cli.formats.sarif_log.rules_page", lambda: "https://example.org/rules.md")
    (run,) = json.loads(rendered("sarif", HARD))["runs"]
    assert run["tool"]["driver"]["rules"][0]["helpUri"].startswith("https://example.org/rules.md#lrd301-")
    suppressions = [found["suppressions"] for found in run["results"]]
    assert [bool(suppression) for suppression in suppressions] == [False, True, True, False, False, False]
    assert [suppression[0]["kind"] for suppression in suppressions if suppression] == ["external", "inSource"]
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


def test_junit_counts_its_entries() -> None:
    document = etree.fromstring(rendered("junit", HARD).encode())
    for name, what in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        for suite in document:
            assert int(suite.get(name)) == len(suite.findall(f".//{what}")), (name, suite.get("name"))
    total = {name: document.get(name) for name in ("tests", "failures", "errors")}
    assert total == {"tests": "9", "failures": "2", "errors": "2"}
    suites = {suite.get("name"): suite for suite in document}
    assert suites["configs/a.py"].get("file") == "sub/configs/a.py"
    assert [case.get("name") for case in suites["clean.py"]] == ["no findings"]
    # A warning does not fail below --fail-on error, but is in the report.
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
    """Return type, properties and message of a command, as ``ActionCommand.cs`` of ``actions/runner`` parses it."""
    kind, properties, data = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", command).groups()  # type: ignore[union-attr]

    def plain(text: str) -> str:
        for escaped, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(escaped, char)
        return text

    return kind, {k: plain(v) for k, _, v in (p.partition("=") for p in properties.split(","))}, plain(data)


def test_github_annotations_are_read_back() -> None:
    lines = rendered("github", HARD).splitlines()
    # Two configs that could not be checked, two errors, a warning, a note; suppressed findings do not count.
    commands = [undone(line) for line in lines if line.startswith("::")]
    assert [kind for kind, _, _ in commands] == ["error"] * 4 + ["warning", "notice"]
    title = {"title": "LRD301 scale-above-one"}
    place = {"file": "sub/configs/a.py", "line": "4", "col": "5", "endLine": "4", "endColumn": "16"}
    assert commands[2][1] == {**place, **title}
    assert commands[2][2].splitlines() == [
        "8 groups train faster",
        "backbone.*",
        "Option: optim_wrapper.paramwise_cfg.num_layers, set at configs/a.py:4, overrides mmdet::convnext/b.py:88",
        "Why: It matters.",
        "Fix: num_layers=12 fits",
    ]
    assert commands[4][1]["line"] == "4"
    assert "file" not in commands[5][1]
    assert commands[5][2].startswith("mmdet::convnext/a.py: 8 groups")
    assert len(lines) == len(commands) + 1
    assert lines[-1] == "could not check" or "2 errors" in lines[-1]


def test_an_option_of_a_package_is_reported_at_the_base_line() -> None:
    """The option is in site-packages, but annotations and editors need a file of the repository."""
    found = result(FROM_ZOO)
    option = (
        "Option: optim_wrapper.paramwise_cfg.num_layers, set at mmdet::convnext/b.py:88, inherited at configs/base.py:2"
    )
    (github, *_) = rendered("github", found).splitlines()
    assert github.startswith("::error file=sub/configs/base.py,line=2,col=10,endLine=2,endColumn=31,")
    assert option in github
    assert "%0AConfigs: configs/c.py%0A" in github
    (sarif,) = json.loads(rendered("sarif", found))["runs"][0]["results"]
    places = [each["physicalLocation"] for each in (*sarif["locations"], *sarif["relatedLocations"])]
    assert [(at["artifactLocation"]["uri"], at["region"]["startLine"]) for at in places] == [
        ("sub/configs/base.py", 2),
        ("sub/configs/c.py", 1),
    ]
    assert option in sarif["message"]["text"]
    assert "\nConfigs: configs/c.py\n" in sarif["message"]["text"]
    for name in ("text", "markdown"):
        assert "set at mmdet::convnext/b.py:88, inherited at configs/base.py:2" in rendered(name, found)
    assert option.lower() in rendered("junit", found).lower()
    (concise, _) = rendered("concise", found).splitlines()
    assert (
        concise == "configs/base.py:2:10: LRD301 8 groups train faster (configs/c.py, set at mmdet::convnext/b.py:88)"
    )
    given = result(finding(place=Place("--cfg-options", 1, 1, 1, 5)))
    assert rendered("concise", given).startswith("configs/a.py:1:1: LRD301 8 groups train faster (set at --cfg-opt")


def test_changes_distinguish_causes_at_one_place() -> None:
    """Some configs override one of two options on one line of a base: for them the cause is different."""
    changes = ("decay_rate 0.7 → 0.8", "decay_rate 0.7 → 0.8, num_layers 6 → 7", "decay_rate 0.7 → 0.8")
    found = result(*(finding(place=SET, changed=each, config=f"{n}.py") for n, each in enumerate(changes)))
    assert [cause.configs for cause in found.causes()] == [("0.py", "2.py"), ("1.py",)]
    assert len({cause.fingerprint for cause in found.causes()}) == 2


def test_github_shows_ten_of_each_severity_and_lists_the_others() -> None:
    many = [finding(severity, message=f"{severity}{n}") for severity in ("info", "error") for n in range(12)]
    lines = rendered("github", result(*many)).splitlines()
    assert [line.partition(" ")[0] for line in lines[:20]] == ["::error"] * 10 + ["::notice"] * 10
    assert lines[20] == "4 more, beyond GitHub's limit of annotations:"
    assert lines[21:25] == [
        f"{severity}: configs/a.py:1:1: LRD301 {severity}{n}; num_layers=12 fits"
        for severity in ("error", "info")
        for n in (10, 11)
    ]
    assert len(lines) == 26


def test_the_example_of_a_cause_is_the_config_that_sets_the_option() -> None:
    """An annotation in a file has the numbers of this file, not those of a config that inherits from it."""
    inherits = finding(place=SET, config="configs/0.py", message="5 groups train faster")
    (cause,) = result(inherits, finding(place=SET, config=SET.file)).causes()
    assert cause.finding.config == SET.file
    assert "5 groups" not in rendered("github", result(inherits, finding(place=SET, config=SET.file)))


def test_an_inherited_mistake_is_one_cause() -> None:
    known = Suppression("known", "lrdecay.toml: suppress[0]")
    found = result(
        finding(place=SET),
        finding(place=SET, config="configs/c.py", message="9 groups train faster"),
        finding(place=BASE, config="configs/d.py"),
        # Another option on the same line is wrong; for the same config this is another finding.
        finding(place=SET, option="optim_wrapper.paramwise_cfg.decay_rate"),
        finding(place=SET),
        finding(place=SET, config="configs/d.py", suppressed=known),
        # Without a known line, findings with the same message are one.
        finding(config="configs/d.py"),
        finding(config="configs/c.py"),
        finding(config="configs/e.py", fix="num_layers=13 fits"),
    )
    causes = found.causes()
    assert [cause.configs for cause in causes] == [
        ("configs/a.py", "configs/c.py"),
        ("configs/d.py",),
        ("configs/a.py",),
        ("configs/a.py",),
        ("configs/d.py",),
        ("configs/d.py", "configs/c.py"),
        ("configs/e.py",),
    ]
    assert [cause.alike for cause in causes][:2] == [False, True]
    # One more config does not change the fingerprint of a cause in code scanning.
    more = result(*found.findings, finding(place=SET, config="configs/0.py")).causes()
    assert more[0].fingerprint == causes[0].fingerprint != causes[2].fingerprint
    (first, *_) = json.loads(rendered("sarif", found))["runs"][0]["results"]
    assert first["properties"]["configs"] == ["configs/a.py", "configs/c.py"]
    related = [
        (at["physicalLocation"]["artifactLocation"]["uri"], at["message"]["text"]) for at in first["relatedLocations"]
    ]
    assert related == [("sub/configs/c.py", "this file inherits the option that the finding is about")]
    assert rendered("concise", found).splitlines() == [
        "configs/a.py:4:5: LRD301 8 groups train faster (2 configs)",
        "configs/base.py:1:1: LRD301 8 groups train faster (configs/d.py)",
        "configs/a.py:4:5: LRD301 8 groups train faster",
        "configs/a.py:4:5: LRD301 8 groups train faster",
        "configs/d.py:1:1: LRD301 8 groups train faster (2 configs)",
        "configs/e.py:1:1: LRD301 8 groups train faster",
        "6 errors in 2 configs (1 suppressed)",
    ]


def test_github_lists_all_configs_that_could_not_be_checked() -> None:
    lines = rendered("github", result(unjudged=tuple(Skipped(f"{n}.py", "error", "odd") for n in range(12)))).split(
        "\n"
    )
    assert [line.startswith("::error") for line in lines[:11]] == [True] * 10 + [False]
    assert lines[11:13] == ["error: 10.py: error: odd", "error: 11.py: error: odd"]


def test_nothing_in_a_github_log_is_a_command_but_ours() -> None:
    evil = result(*(finding("info", config=EVIL, message=EVIL, fix=EVIL) for _ in range(12)))
    lines = rendered("github", evil).split("\n")
    assert len([line for line in lines if line.lstrip().startswith("::")]) == 10
    assert "##[" not in "\n".join(lines)
    assert "\x1b" not in "\n".join(lines)


@pytest.mark.parametrize("name", ["text", "rich", "markdown", "html", "concise", "github", "sarif", "junit"])
def test_errors_are_first_whichever_config_has_them(name: str) -> None:
    ranked = [finding(severity, code=f"LRD10{n}", config=f"{n}.py") for n, severity in enumerate(SEVERITIES, 1)]
    text = rendered(name, result(*ranked))
    # What SARIF says of the rules comes before the findings.
    places = [text.rindex(each.code) for each in ranked]
    assert places == sorted(places, reverse=True)


def test_an_info_is_short_beside_an_error() -> None:
    info = finding("info", why="It is good to know.")
    assert "It is good to know." in rendered("text", result(info, **ALONE))
    beside = rendered("text", result(finding(message="bad"), info, **ALONE))
    assert "It matters." in beside
    assert "It is good to know." not in beside
    assert "num_layers=12 fits" in beside.partition("info: ")[2]


def test_warnings_about_no_config_are_annotations_and_lines_too() -> None:
    notes = [Note("1 baseline without a config", "warning", ("b/a.txt: there is no a.py; git rm b/a.txt",))]
    reported = report_of(result(), notes=notes)
    assert render("concise", reported, Canvas()).splitlines()[:-1] == [notes[0].details[0]]
    assert render("github", reported, Canvas()).splitlines()[:-1] == [
        f"::warning title=1 baseline without a config::{notes[0].details[0]}"
    ]


@pytest.mark.parametrize("name", ["sarif", "junit", "github", "concise", "ndjson"])
def test_other_reports_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(LrdecayError, match=rf"only the commands? .*check writes? the format {name}; use json"):
        render(name, Result(None, Report((), (), (), "")), Canvas())


def test_ndjson_has_a_line_for_each_record() -> None:
    lines = [json.loads(line) for line in rendered("ndjson", HARD).splitlines()]
    assert [line.get("code", line.get("status")) for line in lines][:2] == ["LRD301", "LRD901"]
    assert len(lines) == 8
