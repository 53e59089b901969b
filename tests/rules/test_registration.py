"""Rules register themselves, in the order of their codes, with unique codes and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import lrdecay_cli.rules
from lrdecay_cli.rules import RULES, Example, Fault, Rule, RuleContext
from lrdecay_cli.rules.registry import rule

ROOT = Path(lrdecay_cli.rules.__file__).parent


def test_every_decorated_function_is_a_rule() -> None:
    decorated = sum(path.read_text(encoding="utf-8").count("\n@rule(") for path in ROOT.rglob("*.py"))
    assert decorated == len(RULES)


def test_codes_and_names_are_unique_and_in_order() -> None:
    assert [each.code for each in RULES] == sorted({each.code for each in RULES})
    assert len({each.name for each in RULES}) == len(RULES)


@pytest.mark.parametrize("registered", RULES, ids=lambda each: each.code)
def test_page_code_hundred_and_folder_agree(registered: Rule) -> None:
    folder = registered.check.__module__.split(".")[-2]
    # The docstring of each folder names its hundred: Rules 1xx.
    documentation = import_module(f"lrdecay_cli.rules.{folder}").__doc__ or ""
    assert documentation.startswith(f"Rules {registered.code[3]}xx: ")
    assert registered.check.__name__ == registered.name.replace("-", "_")
    assert registered.documentation == registered.check.__doc__


def test_rules_import_shared_names_from_the_api() -> None:
    for path in ROOT.glob("*/*.py"):
        folder = path.parent.name
        shared = set(re.findall(r"^from lrdecay_cli\.rules\.([\w.]+) import", path.read_text(encoding="utf-8"), re.M))
        if folder not in ("context", "fixes"):
            assert {name for name in shared if not name.startswith(f"{folder}.")} <= {"api"}, path


@pytest.mark.parametrize(
    ("code", "name"), [("LRD301", "a-new-name"), ("LRD999", "scale-above-one")], ids=["code", "name"]
)
def test_a_second_rule_of_the_same_code_or_name_is_refused(code: str, name: str) -> None:
    register = rule(code, name, severity="info", bad=Example(""), good=Example(""))

    def check(_: RuleContext) -> Iterator[Fault]:
        yield from ()

    with pytest.raises(ValueError, match=r"LRD301 scale-above-one is in lrdecay_cli\.rules\.scales"):
        register(check)
