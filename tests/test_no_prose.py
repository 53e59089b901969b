"""Test that no code parses a message of lrdecay: facts are fields, and messages are made from them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lrdecay_cli

PACKAGE = Path(lrdecay_cli.__file__).parent
SENTENCES = frozenset(
    {"rule", "problem", "fix", "summary", "message", "reason", "title", "verdict", "needed", "condition", "source"}
)
"""Attributes of lrdecay's records that contain text for people."""
READING = frozenset(
    {"partition", "rpartition", "startswith", "endswith", "removeprefix", "removesuffix", "replace", "split", "find"}
)
MATCHING = frozenset({"match", "fullmatch", "search", "findall", "sub"})
# This module parses the messages of schema 1, so that no other module has to.
LIFTING = PACKAGE / "files" / "schema_1.py"


def is_sentence(node: ast.AST) -> bool:
    """Return True if the node is such an attribute, or a call of ``line()`` of an error."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "line"
    return isinstance(node, ast.Attribute) and node.attr in SENTENCES


def reads_a_sentence(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        # Code in messages is between double backticks, which each format replaces.
        marks = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == "``"
        if node.func.attr in READING and is_sentence(node.func.value):
            # The layout counts and wraps words: split() without a separator is allowed.
            return not marks and bool(node.args)
        return node.func.attr in MATCHING and any(map(is_sentence, node.args))
    if isinstance(node, ast.Compare):
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)) and is_sentence(right):
                return True
            left_or_right = (node.left, right)
            phrase = any(isinstance(x, ast.Constant) and " " in str(x.value) for x in left_or_right)
            if isinstance(operator, (ast.Eq, ast.NotEq)) and phrase and any(map(is_sentence, left_or_right)):
                return True
    return False


def readers(source: str) -> list[int]:
    return [node.lineno for node in ast.walk(ast.parse(source)) if reads_a_sentence(node)]  # type: ignore[attr-defined]


def test_no_sentence_is_read() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if file != LIFTING]
    assert len(files) > 200
    found = [f"{file.relative_to(PACKAGE)}:{line}" for file in files for line in readers(file.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        *(("step.rule.endswith(' -> 0')", True), ("step.rule.partition(' -> ')[0]", True)),
        *(("'unknown' in error.problem", True), ("PATTERN.search(error.problem)", True)),
        *(("report.summary.partition(': ')[2]", True), ("step.rule == 'everything else'", True)),
        *(("error.line().removeprefix(name)", True), ("known.fix.replace('add ', '')", True)),
        *(("step.basis == 'fallback'", False), ("name.endswith('.bias')", False), ("fault.message or ''", False)),
        *(("rule.summary.replace('``', '')", False), ("step.rule == other.rule", False)),
    ],
)
def test_detection_of_parsed_messages(source: str, is_one: bool) -> None:
    assert bool(readers(source)) == is_one
