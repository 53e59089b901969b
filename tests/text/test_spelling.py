"""Suggestions for an unknown word: the closest name, and nothing if no name is close."""

from __future__ import annotations

import pytest

from lrdecay_cli.domain.change import ASPECTS
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.formats import FORMATS
from lrdecay_cli.rules import RULES, suggest_rule
from lrdecay_cli.text.spelling import did_you_mean, nearest, similar_names

VIEWS = ("group", "layer", "parameter", "module")
GROUPS = [f"layer_{index}_{kind}" for index in range(8) for kind in ("decay", "no_decay")]
RULE_NAMES = [rule.name for rule in RULES]


def last(prefix: str) -> str:
    return max(rule.code for rule in RULES if rule.code.startswith(prefix))


@pytest.mark.parametrize(
    ("word", "names", "expected"),
    [
        # Another spelling.
        ("JSON", FORMATS, ["json"]),
        ("lr scale", ASPECTS, ["lr_scale"]),
        ("Weight-Decay", ASPECTS, ["weight_decay"]),
        # The start of the name, or a whole word of it.
        ("weight", ASPECTS, ["weight_decay"]),
        ("layer_6", GROUPS, ["layer_6_decay", "layer_6_no_decay"]),
        ("scale", ASPECTS, ["lr_scale"]),
        ("num-layer", RULE_NAMES, ["num-layers-does-not-fit", "stage-wise-num-layers"]),
        ("norm3", ["backbone.norm2", "backbone.norm3"], ["backbone.norm3"]),
        # Plurals, initials, abbreviations.
        ("layers", VIEWS, ["layer"]),
        ("params", VIEWS, ["parameter"]),
        ("lrs", ASPECTS, ["lr"]),
        ("map", ["maps", "map_file"], ["maps"]),
        ("wd", ASPECTS, ["weight_decay"]),
        ("md", FORMATS, ["markdown"]),
        # A typing error: one letter too many, one missing, one replaced, two swapped.
        ("jsson", FORMATS, ["json"]),
        ("jsn", FORMATS, ["json"]),
        ("sarix", FORMATS, ["sarif"]),
        ("fromat", ["format", "filter"], ["format"]),
        ("layer6_decay", GROUPS, ["layer_6_decay"]),
        # They share letters but are different words.
        ("name", ASPECTS, []),
        ("stage", VIEWS, []),
        ("severity", ["select", "settings", "fail-on"], []),
        ("yaml", FORMATS, []),
        ("chek", ["check", "cache", "schema"], ["check"]),
        ("", FORMATS, []),
        ("?", FORMATS, []),
    ],
)
def test_similar_names(word: str, names: list[str], expected: list[str]) -> None:
    assert similar_names(word, names) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Adamw", "AdamW"),
        ("adam", "Adam"),
        ("AdamWW", "AdamW"),
        ("ADAMWW", "AdamW"),
        ("Adaam", "Adam"),
        ("Zzz", None),
    ],
)
def test_the_nearest_class(word: str, expected: str | None) -> None:
    """Upper and lower case are the same."""
    assert nearest(word, ["Adadelta", "Adam", "AdamW", "SGD"], likeness=0.6) == expected


def test_likeness_is_the_least_that_counts() -> None:
    assert nearest("decay_rte", ["decay_rate"], likeness=0.9) == "decay_rate"
    assert nearest("decay", ["decay_rate"], likeness=0.6) == "decay_rate"
    assert nearest("decay", ["decay_rate"]) is None


def test_the_question() -> None:
    assert did_you_mean("jsn", FORMATS) == "did you mean json?"
    assert did_you_mean("layer_6", GROUPS) == "did you mean layer_6_decay or layer_6_no_decay?"
    assert did_you_mean("norm", ["norm1", "norm2", "norm3", "norm4"]) == "did you mean norm1, norm2 or norm3?"
    assert did_you_mean("zzz", FORMATS) == ""


@pytest.mark.parametrize(
    ("given", "suggestion"),
    [
        ("301", "did you mean LRD301?"),
        ("LDR301", "did you mean LRD301?"),
        ("lrd3O1", "did you mean LRD301?"),
        ("LRD999", f"run lrdecay rule LRD9 to list the rules LRD901 to {last('LRD9')}"),
        ("LRD3x", f"run lrdecay rule LRD3 to list the rules LRD301 to {last('LRD3')}"),
        ("LRD0", ""),
        ("scale-above", "did you mean scale-above-one?"),
        ("zzz", ""),
    ],
)
def test_suggest_rule(given: str, suggestion: str) -> None:
    """Digits are never misspelt: LRD999 is not LRD904."""
    assert suggest_rule(given) == suggestion


def test_a_zoo_has_colons_of_its_own() -> None:
    assert LrdecayError("is a directory", where="mmdet::").line() == "mmdet:: is a directory"
    assert LrdecayError("is a directory", where="configs").line() == "configs: is a directory"
