"""Reading maps strictly, and writing complete files."""

from __future__ import annotations

import copy
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.training import Loop, Training
from lrdecay_cli.files import document_schema, read_map, to_json, write_text
from tests.group_maps import group_map

MAP = group_map(
    {
        "layer_0_decay": dict(
            lr=1e-4, weight_decay=0.05, layer_id=0, lr_scale=0.5, parameters={"backbone.conv.weight": (4, 3)}
        ),
        "layer_1_no_decay": dict(
            lr=2e-4, weight_decay=0.0, layer_id=1, lr_scale=1.0, parameters={"head.fc.bias": (4,)}
        ),
    },
    frozen={"backbone.norm.bias": (4,)},
    missing={"head.scale": ()},
)


def broken(change: Callable[[dict[str, Any]], Any]) -> str:
    data = json.loads(to_json(MAP))
    change(data)
    return json.dumps(data)


def repeat_group(data: dict[str, Any]) -> None:
    data["groups"].append(copy.deepcopy(data["groups"][0]))
    data["groups"][-1]["parameters"] = []


def repeat_parameter(data: dict[str, Any]) -> None:
    data["missing"][0]["name"] = "backbone.conv.weight"


BROKEN = {
    "empty": ("", r"map\.json: the file is empty; make a map: lrdecay inspect CONFIG --format json"),
    "blank": (" \n", r"map\.json: the file is empty; "),
    "not JSON": ('{"schema_version": 1,\n "tool": }', r"map\.json:2:10: not valid JSON"),
    "repeated key": ('{"schema_version": 1, "schema_version": 1}', r"key 'schema_version' is repeated"),
    "not a map": ("[1, 2]", r"is not a group map: it has no schema_version"),
    "too deep": ("[" * 100_000, r"not valid JSON"),
    "version": (
        broken(lambda d: d.update(schema_version=3)),
        r"\$\.schema_version: schema_version is 3, but this version of lrdecay reads 1 and 2",
    ),
    "version kind": (broken(lambda d: d.update(schema_version=True)), r"schema_version is True"),
    "NaN": (
        broken(lambda d: d["groups"][1].update(lr=float("nan"))),
        r"\$\.groups\[1\]\.lr: is nan, not a finite number",
    ),
    "overflow": (broken(lambda d: d).replace("0.0002", "1e999"), r"\$\.groups\[1\]\.lr: is inf"),
    "unknown key": (
        broken(lambda d: d["groups"][0].update(weight_dacay=0)),
        r"\$\.groups\[0\]\.weight_dacay: unknown key; did you mean weight_decay\?",
    ),
    "missing key": (broken(lambda d: d["groups"][1].pop("lr")), r"\$\.groups\[1\]: object missing required field `lr`"),
    "wrong type": (
        broken(lambda d: d["groups"][0]["parameters"][0].update(numel="12")),
        r"\$\.groups\[0\]\.parameters\[0\]\.numel: expected `int`, got `str`",
    ),
    "high layer id": (
        broken(lambda d: d["groups"][0].update(layer_id=10**8)),
        r"\$\.groups\[0\]\.layer_id: the number is out of range, it must be <= 1,000,000; export the map again: ",
    ),
    "low layer id": (
        broken(lambda d: d["groups"][0].update(layer_id=-(10**30))),
        r"\$\.groups\[0\]\.layer_id: the number is out of range, it must be >= -1,000,000; export the map again: ",
    ),
    "repeated group": (
        broken(repeat_group),
        r"\$\.groups\[2\]\.name: name 'layer_0_decay' is already used by \$\.groups\[0\]\.name",
    ),
    "repeated parameter": (
        broken(repeat_parameter),
        r"\$\.missing\[0\]\.name: name 'backbone\.conv\.weight' is already used by \$\.groups\[0\]\.parameters\[0\]",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_errors_name_the_path(name: str, tmp_path: Path) -> None:
    text, pattern = BROKEN[name]
    file = tmp_path / "map.json"
    file.write_text(text)
    with pytest.raises(LrdecayError, match=pattern) as caught:
        read_map(str(file))
    assert "\n" not in caught.value.line()
    assert "lrdecay" in caught.value.fix or "did you mean" in caught.value.fix


def test_binary_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(LrdecayError, match="is not UTF-8 text"):
        read_map(str(file))


def test_round_trip_and_schema(tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    write_text(file, to_json(MAP))
    assert read_map(str(file)) == MAP
    Draft202012Validator(document_schema("map")).validate(json.loads(file.read_text()))
    # Windows line ends and a byte order mark, as some editors write them.
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert read_map(str(file)) == MAP


LOOPS = {"train_cfg": Loop("EpochBasedTrainLoop", {"max_epochs": 12}, ("max_epochs",), ("max_epochs",), False)}


@pytest.mark.parametrize("more", [{}, {"asked": ()}, {"loops": {}}, {"asked": ("norm_decay_mult",), "loops": LOOPS}])
def test_fields_that_an_earlier_lrdecay_did_not_write(more: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    found = group_map({"g": dict(parameters={"w": (1,)})}, training=Training({}, (), {}, {}, None, (), **more))
    write_text(file, to_json(found))
    data = json.loads(file.read_text())
    assert {*more} == {"asked", "loops"} & {*data["training"]}
    assert read_map(str(file)) == found
    Draft202012Validator(document_schema("map")).validate(data)


@pytest.mark.parametrize("name", ["unknown key", "missing key", "wrong type", "version"])
def test_schema_and_reader_refuse_the_same_maps(name: str) -> None:
    assert not Draft202012Validator(document_schema("map")).is_valid(json.loads(BROKEN[name][0]))


def test_numbers_that_json_cannot_contain_are_not_written() -> None:
    nan = group_map({"g": dict(lr=float("nan"), weight_decay=0.0, parameters={"w": (1,)})})
    with pytest.raises(LrdecayError, match=r"\$\.groups\[0\]\.lr: is nan, which JSON cannot contain"):
        to_json(nan)


def test_lists_of_numbers_take_one_line_and_strings_are_left_alone() -> None:
    text = to_json(
        {"shape": [96, 3, 4, 4], "betas": [0.9, 1e-05], "names": ["a", "b"], "text": "[\n 1,\n 2\n]", "none": []}
    )
    assert '"shape": [96, 3, 4, 4]' in text
    assert '"betas": [0.9, 1e-05]' in text
    assert json.loads(text)["text"] == "[\n 1,\n 2\n]"


def test_writing_keeps_links_and_permissions(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(tmp_path.iterdir()) == [link, target]


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_text(Path(os.devnull), "text")
    assert not Path(os.devnull).is_file()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "map.json"
    file.write_text("old")

    def disk_full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", disk_full)
    with pytest.raises(LrdecayError, match=r"map\.json: cannot write: No space left on device"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert [*tmp_path.iterdir()] == [file]
