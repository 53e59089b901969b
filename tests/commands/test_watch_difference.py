"""The difference from the last report, as shown by a watch."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lrdecay_cli.app.watching.difference import difference
from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.rules import RULES
from tests.checking.maps import decay_map
from tests.group_maps import group_map

SLOW = {"layer_0": {"lr": 0.1, "parameters": {"a.weight": (2,), "a.bias": (2,)}}}
FAST = {"layer_0": {"lr": 0.2, "parameters": {"a.weight": (2,), "a.bias": (2,)}}}
WIDER = {"layer_0": {"lr": 0.1, "parameters": {"a.weight": (2,), "a.bias": (2,), "b.weight": (2,)}}}


def encoded(document: Any) -> bytes:
    return msgspec.msgpack.encode(document)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (SLOW, "no difference"),
        (FAST, "lr differs in 2 of 2 tensors, all higher: ×2"),
        (WIDER, "1 tensor only after"),
    ],
)
def test_of_maps(after: dict[str, Any], expected: str) -> None:
    assert expected in difference("GroupMap", encoded(group_map(SLOW)), encoded(group_map(after)))


def test_of_findings() -> None:
    right, wrong = (check_maps([decay_map(wrong=wrong)], RULES) for wrong in (False, True))
    marks = [{finding.fingerprint for finding in result.findings} for result in (right, wrong)]
    more = len(marks[1] - marks[0])
    assert more
    found = difference("CheckResult", encoded(right), encoded(wrong))
    back = difference("CheckResult", encoded(wrong), encoded(right))
    assert f"{more} new finding" in found
    assert f"{more} finding" in back
    assert "gone" in back


@pytest.mark.parametrize(("before", "after"), [(b"", b"\x80"), (b"\x80", b""), (b"\x80", b"\xc1")])
def test_incomparable_values_are_omitted(before: bytes, after: bytes) -> None:
    assert difference("GroupMap", before, after) == ""
    assert difference("Difference", before, after) == ""
