"""The full check of installed packages reports one JSON object per line, whatever the packages do."""

from __future__ import annotations

import json

import pytest

from lrdecay_cli.openmmlab import full_check


def test_each_failure_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(full_check.ZOO_MODELS, "mmdet", "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_cocoo.py")
    full_check.main(["json", "mmdet", "no_such_package"])
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    outcomes = {record["subject"]: (record["ok"], record["outcome"]) for record in records if "subject" in record}
    assert [record["trying"] for record in records if "trying" in record] == list(outcomes)
    zoo = outcomes.pop("mmdet::rtmdet/rtmdet_tiny_8xb32-300e_cocoo.py")
    assert outcomes == {
        "json": (True, "loads"),
        "mmcv.ops": (True, "loads"),
        "mmdet": (True, "loads"),
        "no_such_package": (False, "ModuleNotFoundError: No module named 'no_such_package'"),
    }
    # The same text as lrdecay's own errors, without the name of an exception.
    assert not zoo[0]
    assert zoo[1].startswith(
        "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_cocoo.py: not in the config zoo of mmdet; did you mean mmdet::"
    )
    assert {"cpu", "meta"} <= {name for record in records for name, _ in record.get("devices", [])}
