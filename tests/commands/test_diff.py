"""``diff`` end to end: exit codes, formats, and configs and maps on either side."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.files import read_map, to_json, write_text
from tests.commands.projects import two_projects
from tests.commands.running import SAMPLES, lrdecay, lrdecay_in_terminal
from tests.group_maps import group_map


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Maps of three samples, exported by ``inspect`` itself."""
    folder = tmp_path_factory.mktemp("maps")
    names = {"layer": "convnext-t_layer-wise", "stage": "convnext-t_stage-wise", "small": "convnext-s_wrong-num-layers"}
    for short, name in names.items():
        result = lrdecay("inspect", SAMPLES / f"{name}.py", "-f", "json", "-o", f"json={folder}/{short}.json")
        assert result.code == 0, result.err
    return {short: folder / f"{short}.json" for short in names}


def edited(source: Path, target: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    data = json.loads(source.read_text())
    change(data)
    target.write_text(json.dumps(data))
    return target


@pytest.mark.parametrize("format_name", ["rich", "text", "json", "markdown", "csv"])
def test_exit_code_is_the_same_in_every_format(maps: dict[str, Path], format_name: str) -> None:
    assert lrdecay("diff", maps["layer"], maps["layer"], "-f", format_name).code == 0
    assert lrdecay("diff", maps["layer"], maps["stage"], "-f", format_name).code == 1
    broken = lrdecay("diff", maps["layer"], "nowhere.json", "-f", format_name)
    assert (broken.code, broken.out) == (2, "")


def test_a_person_can_read_it(maps: dict[str, Path]) -> None:
    out = lrdecay("diff", maps["layer"], maps["stage"]).out
    assert re.search(r"^constructor\.options\.decay_rate +0\.95 → 0\.9$", out, re.M)
    assert re.search(
        r"^backbone\.stages\.2\.\{3-5\}\.\* +4 → 3 +0\.8574 → 0\.6561 +8\.574e-05 → 6\.561e-05 +×0\.765 +27$", out, re.M
    )
    # The new group names follow from the new layer ids.
    assert "layer_4_no_decay" not in out
    assert out.splitlines()[-1] == "different: 178 of 228 tensors (group 93, layer id 93, lr scale 178, lr 178)"
    assert len(out.splitlines()) < 22
    # The summary comes first, then both sides as given on the command line: their maps may name the same config.
    summary, cause, _, before, after = out.splitlines()[:5]
    assert summary.startswith("lr differs in 178 of 228 tensors, all lower: ×0.503 to ×0.806 (×0.752 on average")
    assert cause == "Cause: decay_rate 0.95 → 0.9 and decay_type layer_wise → stage_wise"
    assert before.split(maxsplit=1)[1].startswith(f"{maps['layer']} (map of ")
    assert after.split(maxsplit=1)[1].startswith(f"{maps['stage']} (map of ")
    shown = lrdecay_in_terminal("diff", maps["layer"], maps["stage"])
    assert "\x1b[" in shown.out
    assert shown.code == 1


def test_json_contains_every_change(maps: dict[str, Path]) -> None:
    data = json.loads(lrdecay("diff", maps["layer"], maps["stage"], "-f", "json").out)
    Draft202012Validator(json.loads(lrdecay("schema", "diff").out)).validate(data)
    assert data["identical"] is False
    before, after = (
        {parameter.name: group for group, parameter in read_map(str(maps[side])).grouped()}
        for side in ("layer", "stage")
    )
    changes = {
        (name, change["aspect"]): (change["before"], change["after"])
        for change in data["changes"]
        for name in change["parameters"]
    }
    expected = {
        (name, aspect): (getattr(before[name], field), getattr(after[name], field))
        for name in before
        for aspect, field in (("group", "name"), ("layer_id", "layer_id"), ("lr_scale", "lr_scale"), ("lr", "lr"))
        if getattr(before[name], field) != getattr(after[name], field)
    }
    assert changes == expected


def test_csv_has_a_row_for_each_aspect(maps: dict[str, Path]) -> None:
    rows = list(csv.DictReader(StringIO(lrdecay("diff", maps["layer"], maps["stage"], "-f", "csv").out)))
    assert {row["aspect"] for row in rows} == {"group", "layer_id", "lr_scale", "lr"}
    assert sum(int(row["tensors"]) for row in rows if row["aspect"] == "lr") == 178


def test_only_and_tolerance(maps: dict[str, Path], tmp_path: Path) -> None:
    assert lrdecay("diff", maps["layer"], maps["stage"], "--only", "weight_decay,frozen,shape").code == 0
    only = lrdecay("diff", maps["layer"], maps["stage"], "--only", "layer-id")
    assert "lr scale" not in only.out
    assert only.out.splitlines()[-1] == "different in layer id: 93 of 228 tensors (layer id 93)"

    def nudge(data: dict[str, Any]) -> None:
        for group in data["groups"]:
            group["lr"] *= 1 + 1e-9

    nudged = edited(maps["layer"], tmp_path / "nudged.json", nudge)
    assert lrdecay("diff", maps["layer"], nudged).code == 1
    assert lrdecay("diff", maps["layer"], nudged, "--rtol", "1e-6").code == 0


def test_a_tensor_on_one_side_only_differs_in_lr(maps: dict[str, Path]) -> None:
    """ConvNeXt-S has 18 more blocks in its third stage; a block has nine tensors."""
    result = lrdecay("diff", maps["layer"], maps["small"], "--only", "lr")
    assert result.code == 1
    words = "162 tensors only after; lr cannot be compared if only one map has the tensor in a group"
    assert result.out.splitlines()[1] == words


@pytest.mark.parametrize("by", ["layer", "module"])
def test_every_format_has_the_changes_by_layer_and_module(maps: dict[str, Path], by: str, tmp_path: Path) -> None:
    names = ("text", "rich", "json", "markdown", "csv", "html")
    outputs = [argument for name in names for argument in ("-o", f"{name}={tmp_path}/{name}")]
    assert lrdecay("diff", maps["layer"], maps["stage"], "--by", by, *outputs).code == 1
    texts = {name: (tmp_path / name).read_text() for name in names}
    document = json.loads(texts["json"])
    Draft202012Validator(json.loads(lrdecay("schema", "diff").out)).validate(document)
    assert (document["before_source"], document["after_source"]) == (str(maps["layer"]), str(maps["stage"]))
    rows = list(csv.DictReader(StringIO(texts["csv"])))
    assert [(row[by], row["factor"]) for row in rows] == [
        (part["name"], repr(part["factor"])) for part in document["parts"]
    ]
    for name in ("text", "rich", "markdown", "html"):
        for part in document["parts"]:
            factor = f"×{part['factor']:.3g}"
            row = rf"{re.escape(part['name'])}\b.*{factor}"
            if name == "html":
                row = rf"{re.escape(part['name'].replace('→', '&#8594;'))}<(?s:.)*?{factor.replace('×', '&#215;')}"
                texts[name] = texts[name].replace("<wbr>", "")
            assert re.search(row, texts[name]), (name, part)
    refused = lrdecay("diff", maps["layer"], maps["stage"], "--by", "modul")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "did you mean module?" in refused.err


def test_unrelated_fields_are_not_a_difference(maps: dict[str, Path], tmp_path: Path) -> None:
    def elsewhere(data: dict[str, Any]) -> None:
        data.update(device="meta", stack={"torch": "9.9"}, stand_ins=[])
        data["tool"]["version"] = "9.9"
        data["config"].update(path="other.py", sha256="0" * 64)

    assert lrdecay("diff", maps["layer"], edited(maps["layer"], tmp_path / "elsewhere.json", elsewhere)).code == 0


def test_config_against_its_map_and_stdin(maps: dict[str, Path]) -> None:
    same = lrdecay("diff", maps["layer"], SAMPLES / "convnext-t_layer-wise.py", "--device", "meta")
    assert (same.code, same.err) == (0, "")
    assert same.out.splitlines()[-1] == "same: 228 tensors"
    changed = lrdecay(
        "diff", "-", SAMPLES / "convnext-t_layer-wise.py", "--cfg-options", "model.backbone.frozen_stages=1",
        stdin=maps["layer"].read_text(),
    )  # fmt: skip
    assert changed.code == 1
    assert re.search(r"^backbone\.\{downsample_layers,stages\}\.0\.\* +grouped → frozen +31$", changed.out, re.M), (
        changed.out
    )


def test_wild_bug_defaults_changed_between_versions(tmp_path: Path) -> None:
    """mmselfsup pull request 425: the same config from two versions; the newer one has no exemptions for tokens."""
    tokens = {"backbone.cls_token": (1, 1, 8), "backbone.pos_embed": (1, 5, 8)}
    weights = {"backbone.layers.0.attn.qkv.weight": (24, 8)}
    old = group_map(
        {"exempt": dict(weight_decay=0.0, parameters=tokens), "decayed": dict(weight_decay=0.05, parameters=weights)}
    )
    new = group_map({"decayed": dict(weight_decay=0.05, parameters={**tokens, **weights})})
    for name, one in (("old", old), ("new", new)):
        write_text(tmp_path / f"{name}.json", to_json(one))
    result = lrdecay("diff", tmp_path / "old.json", tmp_path / "new.json", "--only", "weight_decay")
    assert result.code == 1
    assert re.search(r"^backbone\.\{cls_token,pos_embed\} +0 → 0\.05 +2$", result.out, re.M), result.out


def test_verbose_names_every_parameter(maps: dict[str, Path]) -> None:
    out = lrdecay("diff", maps["layer"], maps["stage"], "--only", "layer_id", "-v").out
    assert len(re.findall(r"^  backbone\.\S+$", out, re.M)) == 93


def test_projects_with_modules_of_the_same_name_get_their_own(tmp_path: Path) -> None:
    result = lrdecay("diff", *two_projects(tmp_path), "--format", "json")
    assert result.code == 1, result.err
    changes = {change["aspect"]: change["parameters"] for change in json.loads(result.out)["changes"]}
    assert changes == {"removed": ["one.weight", "one.bias"], "added": ["two.weight", "two.bias"]}
