"""The type of a JSON file from its top-level keys; JSON values other than objects have no keys."""

from __future__ import annotations

import pytest

from lrdecay_cli.files import top_level_keys


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        (b'{"a": 1, "b": {"c": 2}}', {"a", "b"}),
        (b"{}", set()),
        (b"[1]", None),
        (b"{", None),
        (b'{"s\xffpper": 1}', None),
        (b"[" * 100_000, None),
    ],
    ids=["object", "empty", "list", "broken", "no UTF-8", "deep"],
)
def test_keys(raw: bytes, keys: set[str] | None) -> None:
    assert top_level_keys(raw) == keys
