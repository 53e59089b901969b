"""What the trial of a stack tells, a JSON object a line, whatever its packages do."""

from __future__ import annotations

import json

import pytest

from lrdecay_cli.openmmlab import full_check as trial


def test_what_fails_is_one_line_of_its_own(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(trial.ZOO_MODELS, "mmdet", "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_cocoo.py")
    trial.main(["json", "mmdet", "no_such_package"])
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    outcomes = {one["subject"]: (one["ok"], one["outcome"]) for one in told if "subject" in one}
    assert [one["trying"] for one in told if "trying" in one] == list(outcomes)
    zoo = outcomes.pop("mmdet::rtmdet/rtmdet_tiny_8xb32-300e_cocoo.py")
    assert outcomes == {
        "json": (True, "loads"),
        "mmcv.ops": (True, "loads"),
        "mmdet": (True, "loads"),
        "no_such_package": (False, "ModuleNotFoundError: No module named 'no_such_package'"),
    }
    # As lrdecay itself would say it, without the name of an exception.
    assert not zoo[0]
    assert zoo[1].startswith(
        "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_cocoo.py: not in the config zoo of mmdet; did you mean mmdet::"
    )
    assert {"cpu", "meta"} <= {name for one in told for name, _ in one.get("devices", [])}
