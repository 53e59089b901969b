"""For every misspelt name, the error suggests the closest correct name; this needs no torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.files import to_json
from lrdecay_cli.rules import RULES
from tests.commands.running import Run
from tests.group_maps import group_map

LAST = RULES[-1].code
PARAMETERS = {"backbone.norm3.weight": (8,), "backbone.stages.0.weight": (8, 8), "bbox_head.bias": (8,)}


@pytest.fixture
def project(tmp_path: Path, here: Run) -> Run:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/resnet-50.py").touch()
    (tmp_path / "epoch_3.pth").touch()
    groups = {
        "layer_6_decay": {"parameters": {name: shape for name, shape in PARAMETERS.items() if len(shape) > 1}},
        "layer_6_no_decay": {"parameters": {name: shape for name, shape in PARAMETERS.items() if len(shape) == 1}},
    }
    (tmp_path / "map.json").write_text(to_json(group_map(groups)))
    (tmp_path / "odd.toml").write_text('fail-onn = "warning"\n')
    (tmp_path / "mild.toml").write_text('fail-on = "warn"\n')
    (tmp_path / "rules.toml").write_text('select = ["num-layer"]\n')
    return here


SUGGESTIONS = [
    ("inspct map.json", "no such command inspct; did you mean inspect? see lrdecay --help"),
    ("show map.json", "no such command show; see lrdecay --help"),
    ("cache clean", "no such command clean; did you mean clear? see lrdecay cache --help"),
    ("inspect map.json --sorted lr", "no such option --sorted; did you mean --sort? see lrdecay inspect --help"),
    ("check map.json --severity error", "no such option --severity; see lrdecay check --help"),
    ("inspect map.json --format htm", "--format: unknown format 'htm'; did you mean html? one of rich, text"),
    ("inspect map.json --output htm=a", "--output: unknown format 'htm'; did you mean html? one of rich, text"),
    ("inspect map.json --by layers", "--by: unknown view 'layers'; did you mean layer? one of group, layer"),
    ("inspect map.json --by params", "--by: unknown view 'params'; did you mean parameter?"),
    ("inspect map.json --sort wd", "--sort: no column 'wd' in this view; did you mean weight_decay? one of"),
    ("inspect map.json --filter norm3", "'norm3'; did you mean backbone.norm3?"),
    ("inspect map.json --filter bakbone.*", "'bakbone.*'; did you mean backbone?"),
    ("inspect map.json --filter layer_6", "did you mean layer_6_decay or layer_6_no_decay?"),
    (
        "inspect map.json --filter zzz",
        "give a glob such as 'backbone.*', a module such as backbone, or a group such",
    ),
    ("inspect map.json --color alway", "--color: unknown choice 'alway'; did you mean always? one of auto"),
    ("explain map.json head", "PATTERN: no parameter or group matches 'head'; did you mean bbox_head?"),
    ("explain map.json --why-not norm3 --group x", "--why-not: no parameter or group matches 'norm3'; did you mean"),
    (
        "explain map.json --why-not backbone --group layer_6",
        "parameter or module 'layer_6'; did you mean layer_6_decay or",
    ),
    ("explain map.json --why-not backbone --group zzz", "module 'zzz'; give layer_6_decay or layer_6_no_decay"),
    (
        "explain map.json --why-not backbone --group bakbone",
        "--group: no group, parameter or module 'bakbone'; did",
    ),
    ("diff map.json map.json --only scale", "--only: no aspect 'scale'; did you mean lr_scale? one of added"),
    ("diff map.json map.json --only name", "--only: no aspect 'name'; one of added"),
    ("diff map.json mpa.json", "mpa.json: no such file; did you mean map.json?"),
    ("check map.json --fail-on warn", "--fail-on: unknown severity 'warn'; did you mean warning? one of info"),
    ("check map.json --select num-layer", "--select: no rule 'num-layer'; did you mean num-layers-does-not-fit or"),
    (
        "check map.json --ignore LRD999",
        f"--ignore: no rule 'LRD999'; run lrdecay rule LRD9 to list the rules LRD901 to {LAST}",
    ),
    ("check map.json --settings odd.toml", "odd.toml: fail-onn: unknown key; did you mean fail-on? one of"),
    ("check map.json --settings mild.toml", "mild.toml: fail-on: unknown choice 'warn'; did you mean warning? one of"),
    ("check map.json --settings rules.toml", "rules.toml: select: no rule 'num-layer'; did you mean num-layers-does-"),
    ("merge odd.toml", "odd.toml: the file is not a scan: JSON is malformed"),
    ("check confgs", "confgs: no config found; did you mean configs?"),
    ("check confgs/resnet50.py", "confgs/resnet50.py: no config found; did you mean configs/resnet-50.py?"),
    ("check mmdet::convnxt", "mmdet::convnxt: no config found; did you mean mmdet::convnext?"),
    ("check nowhere", "nowhere: no config found; give a config, a directory, a glob or mmdet::DIR"),
    ("inspect configs/resnet50.py", "configs/resnet50.py: no such config; did you mean configs/resnet-50.py?"),
    ("inspect confgs/resnet-50.py", "did you mean configs/resnet-50.py?"),
    ("inspect configs/resnet.py", "did you mean configs/resnet-50.py?"),
    ("inspect configs/zzz.py", "configs/zzz.py: no such config; check the path"),
    ("inspect epch_3.pth", "epch_3.pth: no such file; did you mean epoch_3.pth?"),
    (
        "inspect mmdet:convnext/a.py",
        "mmdet:convnext/a.py: no such config; write mmdet::convnext/a.py for a config of mmdet's zoo",
    ),
    ("inspect MMDet::convnext/a.py", "package 'MMDet' is not installed; did you mean mmdet?"),
    ("inspect mmdet::convnext/mask-rcnn", "did you mean mmdet::convnext/mask-rcnn_convnext-t"),
    ("inspect mmdet::", "mmdet:: the path is a directory, not a config"),
    ("schema chek", "schema: no schema for 'chek'; did you mean check? one of map"),
    ("rule num-layer", "rule: no rule 'num-layer'; did you mean num-layers-does-not-fit or stage-wise-num-layers?"),
    ("rule LRD999", f"rule: no rule 'LRD999'; run lrdecay rule LRD9 to list the rules LRD901 to {LAST}"),
]


@pytest.mark.parametrize(("line", "message"), SUGGESTIONS, ids=[line for line, _ in SUGGESTIONS])
def test_similar_names_are_suggested(line: str, message: str, project: Run) -> None:
    result = project(*line.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert message in result.err


@pytest.mark.parametrize("name", ["lr scale", "LR Scale", "lr-scale", "lr_scale", "-lr scale", "weight decay", "layer"])
def test_columns_are_sorted_by_their_headings(name: str, project: Run) -> None:
    key = {"layer": "layer_id"}.get(name, name.lower().lstrip("-").replace(" ", "_").replace("-", "_"))
    by_key = project("inspect", "map.json", "--by", "parameter", "--sort", f"{'-' * name.startswith('-')}{key}")
    assert project("inspect", "map.json", "--by", "parameter", "--sort", name).out == by_key.out != ""


def test_a_heading_that_is_nearly_another_key(project: Run) -> None:
    """The names are in the column "parameter", their sizes in the column "parameters"."""

    def names(sort: str) -> list[str]:
        lines = project("inspect", "map.json", "--by", "parameter", "--sort", sort).out.splitlines()
        return [line.split()[0] for line in lines if line.startswith(("backbone.", "bbox"))]

    assert names("parameter") == sorted(PARAMETERS)
    assert names("-parameters")[0] == "backbone.stages.0.weight"


def test_aspects_as_headings(project: Run) -> None:
    assert project("diff", "map.json", "map.json", "--only", "lr scale,Weight Decay").code == 0


def test_variables_too(project: Run) -> None:
    error = project("check", "map.json", LRDECAY_FAIL_ON="warn").err
    assert error.startswith("lrdecay: LRDECAY_FAIL_ON: unknown choice 'warn'; did you mean warning? one of"), error
    error = project("rule", "LRD301", LRDECAY_FORMAT="jsn").err
    assert error.startswith("lrdecay: LRDECAY_FORMAT: unknown format 'jsn'; did you mean json?"), error


def test_rules_that_begin_so_are_listed(project: Run) -> None:
    listed = project("rule", "lrd3")
    assert listed.code == 0
    codes = [line.split()[0] for line in listed.out.splitlines() if line.startswith("LRD")]
    assert codes == [f"LRD30{digit}" for digit in range(1, 10)]
    assert listed.out.splitlines()[-1] == "9 rules; lrdecay rule LRD301 prints the page of one"
    # A code of one rule is still its page.
    assert "Wrong:" in project("rule", "lrd301").out


@pytest.mark.parametrize("command", ["inspect", "rule", "merge"])
def test_a_schema_by_its_command(command: str, project: Run) -> None:
    document = {"inspect": "map", "rule": "rules", "merge": "scan"}[command]
    assert project("schema", command).out == project("schema", document).out != ""
