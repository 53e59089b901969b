"""Settings are read strictly: each error names the file and the key."""

from __future__ import annotations

from datetime import date

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.settings import Settings
from lrdecay_cli.files.settings_file import parse_settings

WHOLE = """
[tool.other]
x = 1
[tool.lrdecay]
select = ["LRD2", "LRD3"]
ignore = ["LRD301"]
fail-on = "warning"
exit-zero = true
statistics = false
baseline = "golden"
jobs = 2
device = "meta"
format = "json"
color = "never"
[[tool.lrdecay.assert]]
parameters = "backbone.*"
lr_scale = "<= 1"
layer-id = 3
message = "slow"
[[tool.lrdecay.suppress]]
rule = "LRD201"
config = "configs/*.py"
reason = "known"
until = 2027-01-31
[[tool.lrdecay.suppress]]
rule = ["LRD202", "scale-above-one"]
until = "2027-01-31"
"""


def parsed(text: str, path: str = "pyproject.toml") -> Settings | None:
    return parse_settings(text.encode(), path)


def test_everything() -> None:
    found = parsed(WHOLE)
    assert found is not None
    options = found.options
    assert (options.select, options.ignore, options.fail_on) == (("LRD2", "LRD3"), ("LRD301",), "warning")
    assert (options.exit_zero, options.statistics, options.baseline) == (True, False, "golden")
    assert (options.jobs, options.device, options.format, options.color) == (2, "meta", "json", "never")
    (assertion,) = found.assertions
    assert (assertion.lr_scale, assertion.layer_id, assertion.severity) == ("<= 1", 3, "error")
    assert assertion.source == "pyproject.toml: tool.lrdecay.assert[0]"
    first, second = found.suppressions
    assert (first.rule, first.until, first.reason) == (("LRD201",), date(2027, 1, 31), "known")
    assert (second.rule, second.until, second.source) == (
        ("LRD202", "scale-above-one"),
        date(2027, 1, 31),
        "pyproject.toml: tool.lrdecay.suppress[1]",
    )


def test_a_file_of_its_own_has_them_at_the_top_or_in_the_table() -> None:
    top = parsed('fail_on = "info"', "lrdecay.toml")
    assert top == parsed('[tool.lrdecay]\nfail-on = "info"', "lrdecay.toml")
    assert top is not None
    assert top.options.fail_on == "info"
    assert parsed("", "lrdecay.toml") == Settings(path="lrdecay.toml")


@pytest.mark.parametrize("text", ["", "[tool.ruff]\nselect = ['E']", "[project]\ndependencies = ['lrdecay-cli']"])
def test_a_shared_file_without_our_table_has_none(text: str) -> None:
    assert parsed(text) is None


WRONG = {
    "no TOML": ("select = ]", r"lrdecay\.toml: not valid TOML: .*line 1"),
    "digits": (f"jobs = {'1' * 5000}", r"lrdecay\.toml: not valid TOML: Exceeds the limit"),
    "unknown key": ("selct = []", r"lrdecay\.toml: selct: unknown key; did you mean select\?"),
    "unknown far": ("zzz = 1", r"lrdecay\.toml: zzz: unknown key; one of select, ignore, fail-on"),
    "twice": ('fail-on = "info"\nfail_on = "info"', r"fail_on: is set twice, once with hyphens and once"),
    "type": ("jobs = 'two'", r"lrdecay\.toml: jobs: expected int, got str; give a whole number, such as 4"),
    "bool": ("jobs = true", r"lrdecay\.toml: jobs: expected int, got bool"),
    "range": ("jobs = 0", r"lrdecay\.toml: jobs: expected int >= 1"),
    "list": ("select = 'LRD2'", r"lrdecay\.toml: select: expected array, got str; give a list, such as \[\"LRD301\"\]"),
    "item": ("select = ['LRD2', 3]", r"lrdecay\.toml: select\[1\]: expected str, got int"),
    "choice": ("fail-on = 'eror'", r"fail-on: unknown choice 'eror'; did you mean error\? one of info, warning, error"),
    "table": ("tool = {lrdecay = 3}", r"lrdecay\.toml: tool\.lrdecay: expected a table; write \[tool\.lrdecay\]"),
    "both": ("jobs = 1\n[tool.lrdecay]\njobs = 2", r"lrdecay\.toml: jobs: settings are at top level and in"),
    "one table": ("[assert]\nparameters = '*'", r"assert: expected an array of tables; write \[\[assert\]\]"),
    "no table": ("assert = [1]", r"assert\[0\]: expected a table"),
    "assert key": ("[[assert]]\nparameter = '*'", r"assert\[0\]\.parameter: unknown key; did you mean parameters\?"),
    "hidden": ("[[assert]]\nparameters = '*'\nsource = 'x'", r"assert\[0\]\.source: unknown key"),
    "assert type": ("[[assert]]\nparameters = '*'\nfrozen = 1", r"assert\[0\]\.frozen: expected bool, got int"),
    "missing": ("[[assert]]\nlr = 1", r"assert\[0\]: object missing required field parameters; add parameters ="),
    "nothing asserted": (
        "[[assert]]\nparameters = '*'",
        r"assert\[0\]: the assertion contains no expected value; set one of lr, lr_scale",
    ),
    "no rule": ("[[suppress]]\nreason = 'x'", r"suppress\[0\]: object missing required field rule"),
    "date": (
        "[[suppress]]\nrule = 'LRD301'\nuntil = 'soon'",
        r"suppress\[0\]\.until: invalid RFC3339 encoded date; give a date",
    ),
    "time": ("[[suppress]]\nrule = 'LRD301'\nuntil = 07:32:00", r"suppress\[0\]\.until: expected date"),
    "second": (
        "[[suppress]]\nrule = 'LRD301'\n[[suppress]]\nrules = 'x'",
        r"suppress\[1\]\.rules: .*did you mean rule",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_their_place(name: str) -> None:
    text, pattern = WRONG[name]
    with pytest.raises(LrdecayError, match=pattern) as caught:
        parsed(text, "lrdecay.toml")
    assert caught.value.fix


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(LrdecayError, match=r"lrdecay\.toml: the file is not UTF-8 text"):
        parse_settings(b"\xff\xfe", "lrdecay.toml")
