"""All rules of ``lrdecay check``, collected from the folders of this package.

A folder contains the rules whose codes begin with the same digit. For example, ``coverage`` contains LRD101 to LRD199.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.rules.context.rule_context import RuleContext
from lrdecay_cli.rules.registry import Example, Fault, Rule, discover
from lrdecay_cli.text.spelling import did_you_mean

_CODE = re.compile(r"[A-Z]{0,4}([0-9][0-9OIL]*)[A-Z]?")

RULES = discover(__name__, __path__[0])
"""All rules, sorted by code."""


def find_rule(code: str) -> Rule:
    """Return the rule with this code (case-insensitive) or name.

    Raises:
        LrdecayError: no rule has this code or name; the fix suggests the nearest rule.
    """
    for rule in RULES:
        if code.upper() == rule.code or code.lower() == rule.name:
            return rule
    raise _unknown(code, "rule")


def rules_beginning(prefix: str) -> tuple[Rule, ...]:
    """Return the rules whose codes begin with a prefix such as ``LRD3`` (case-insensitive)."""
    return tuple(rule for rule in RULES if prefix and rule.code.startswith(prefix.upper()))


def chosen_rules(select: Iterable[str], ignore: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules that ``select`` includes and ``ignore`` does not exclude.

    ``select`` and ``ignore`` contain rule names, codes or prefixes of codes, such as ``LRD3``. An empty ``select``
    includes all rules. If both match a rule, the longer prefix decides: ``--select LRD301 --ignore LRD3`` includes
    LRD301.

    Raises:
        LrdecayError: an entry of ``select`` or ``ignore`` matches no rule.
    """
    selected, ignored = [_prefix(code, "--select") for code in select], [_prefix(code, "--ignore") for code in ignore]

    def longest(code: str, prefixes: list[str]) -> int:
        return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=-1)

    return tuple(rule for rule in RULES if longest(rule.code, selected or [""]) > longest(rule.code, ignored))


def _prefix(given: str, option: str) -> str:
    named = next((rule.code for rule in RULES if rule.name == given.lower()), None)
    prefix = named or given.upper()
    if prefix == "ALL":
        return ""
    if not rules_beginning(prefix):
        raise _unknown(given, option)
    return prefix


def suggest_rule(given: str) -> str:
    """Return a suggestion for an unknown rule code or name; empty if no rule is similar.

    For example ``did you mean LRD301?``.
    """
    typed = _CODE.fullmatch(given.upper())
    if typed is None:
        return did_you_mean(given, (rule.name for rule in RULES))
    # Another digit means another rule, so only letters typed for digits are corrected.
    code = f"LRD{typed[1].translate(str.maketrans('OIL', '011'))}"
    for length in range(len(code), len("LRD"), -1):
        begun = [rule.code for rule in rules_beginning(code[:length])]
        if len(begun) == 1:
            return f"did you mean {begun[0]}?"
        if begun:
            return f"run lrdecay rule {code[:length]} to list the rules {begun[0]} to {begun[-1]}"
    return ""


def _unknown(given: str, where: str) -> LrdecayError:
    return LrdecayError(
        f"no rule {given!r}", where=where, fix=suggest_rule(given) or "run lrdecay rule --all to list all rules"
    )


__all__ = [
    "RULES",
    "Example",
    "Fault",
    "Rule",
    "RuleContext",
    "chosen_rules",
    "find_rule",
    "rules_beginning",
    "suggest_rule",
]
