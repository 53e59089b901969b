"""Select rules by codes, prefixes of codes and names."""

from __future__ import annotations

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.rules import RULES, chosen_rules

CODES = [rule.code for rule in RULES]


def beginning(prefix: str) -> set[str]:
    return {code for code in CODES if code.startswith(prefix)}


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        pytest.param([], [], {*CODES}, id="nothing given"),
        pytest.param(["ALL"], [], {*CODES}, id="ALL"),
        pytest.param(["all"], ["LRD"], set(), id="all ignored"),
        pytest.param(["lrd3"], [], beginning("LRD3"), id="a prefix"),
        pytest.param(["LRD3"], ["LRD301"], beginning("LRD3") - {"LRD301"}, id="all but one of a prefix"),
        pytest.param(["scale-above-one"], [], {"LRD301"}, id="by name"),
        pytest.param([], ["scale-above-one"], {*CODES} - {"LRD301"}, id="all but a name"),
        pytest.param(["LRD301", "LRD4"], ["LRD3"], beginning("LRD4") | {"LRD301"}, id="a code in an ignored prefix"),
        pytest.param(["LRD301"], ["LRD301"], set(), id="selected and ignored"),
        pytest.param(["LRD"], ["ALL"], {*CODES}, id="a prefix in ignored ALL"),
    ],
)
def test_the_longer_prefix_counts(select: list[str], ignore: list[str], expected: set[str]) -> None:
    assert {rule.code for rule in chosen_rules(select, ignore)} == expected


@pytest.mark.parametrize(
    ("select", "ignore", "message"),
    [
        pytest.param([""], [], "--select: no rule ''; run lrdecay rule --all to list all rules", id="empty"),
        pytest.param(["LRD3", "LRD3O1"], [], "--select: no rule 'LRD3O1'; did you mean LRD301?", id="letter O"),
        pytest.param(
            [],
            ["scale-above-won"],
            "--ignore: no rule 'scale-above-won'; did you mean scale-above-one?",
            id="name misspelt",
        ),
        pytest.param(["lrd3o1"], [], "--select: no rule 'lrd3o1'; did you mean LRD301?", id="lower case"),
    ],
)
def test_unknown_prefix_is_refused(select: list[str], ignore: list[str], message: str) -> None:
    with pytest.raises(LrdecayError) as caught:
        chosen_rules(select, ignore)
    assert str(caught.value) == message
