"""``suggest``: what it prints is pasted, loaded and built, and the real groups are looked at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.analysis.suggesting import propose
from lrdecay_cli.app.main import run
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import Constructor, GroupMap, Model, Totals
from lrdecay_cli.domain.training import Training
from lrdecay_cli.files.schema import document_schema
from lrdecay_cli.openmmlab.audit import audit
from tests.commands.running import SAMPLES, lrdecay_in_terminal
from tests.group_maps import group_map

MMDET = "mmdet.LearningRateDecayOptimizerConstructor"
OURS = "LayerDecayOptimWrapperConstructor"
# A sample, and for the lazy style a change that takes its decay away; what is suggested, and the layer ids it makes.
CASES = {
    "convnext-s_wrong-num-layers.py": (("", ""), MMDET, {"num_layers": 12, "decay_rate": 0.7}, 14),
    "swin-t_custom-keys.py": (("", ""), OURS, {"num_layers": "auto", "decay_rate": 0.9}, 14),
    "resnet-50_default.py": (("", ""), OURS, {"num_layers": "auto", "decay_rate": 0.7}, 6),
    "vit_lazy-style.py": (
        (
            "    constructor=LearningRateDecayOptimWrapperConstructor,\n"
            "    paramwise_cfg=dict(layer_decay_rate=0.75, norm_decay_mult=0.0, flat_decay_mult=0.0),\n",
            "",
        ),
        OURS,
        {"num_layers": "auto", "decay_rate": 0.65},
        14,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_snippet_works_as_it_is_printed(name: str, tmp_path: Path) -> None:
    (old, new), constructor, options, layers = CASES[name]
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True)
    config = tmp_path / name
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new) if old else text)
    outputs = ["-o", f"json={tmp_path}/report.json", "-o", f"python={tmp_path}/snippet.py"]
    assert run(["suggest", str(config), *outputs]) == 0
    document = json.loads((tmp_path / "report.json").read_text())
    Draft202012Validator(document_schema("suggest")).validate(document)
    assert document["suggested"]["type"] == constructor
    assert document["suggested"]["options"].items() >= options.items()
    assert document["snippet"] == (tmp_path / "snippet.py").read_text()
    assert config.read_text() == (text.replace(old, new) if old else text)

    pasted = tmp_path / "pasted.py"
    lazy = "_base_" not in document["snippet"]
    pasted.write_text(config.read_text() + document["snippet"] if lazy else document["snippet"])
    built = audit(str(pasted))
    scales = [group.lr_scale for group in built.groups]
    assert max(filter(None, scales)) == 1
    assert len({group.layer_id for group in built.groups}) == layers
    at_top = {p.name for group, p in built.grouped() if group.lr_scale == 1 and p.name.startswith("backbone.")}
    # mmdet's own placement, which the report explains.
    assert {name.split(".")[1][:4] for name in at_top} <= ({"norm"} if constructor == MMDET else {"ln1", "ln2"})
    told = {(layer["layer_id"], layer["lr_scale"], layer["lr"]) for layer in document["after"]}
    assert told == {(group.layer_id, group.lr_scale, group.lr) for group in built.groups}


def test_a_decay_that_fits_is_left_alone(tmp_path: Path) -> None:
    config = str(SAMPLES / "convnext-t_layer-wise.py")
    assert run(["suggest", config, "-o", f"json={tmp_path}/report.json", "-o", f"text={tmp_path}/report.txt"]) == 0
    shown = (tmp_path / "report.txt").read_text()
    assert shown.splitlines()[-1] == "fits: the config's own decay suits this model"
    assert "backbone.{norm0,norm1,norm2,norm3}.*  (8)" in shown
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["fits"], document["snippet"], document["before"]) == (True, "", document["after"])
    assert run(["suggest", config, "-o", f"python={tmp_path}/snippet.py"]) == 0
    assert (tmp_path / "snippet.py").read_text() == "# fits: the config's own decay suits this model\n"


def test_imports_of_the_base_and_keys_of_the_head_are_kept(tmp_path: Path) -> None:
    """A config's custom_imports replace its base's: both have to be in the snippet."""
    (tmp_path / "config.py").write_text(
        f"_base_ = {str(SAMPLES / 'swin-t_custom-keys.py')!r}\n"
        "custom_imports = dict(imports=['mmpretrain.models'], allow_failed_imports=False)\n"
        "keys = dict(roi_head=dict(lr_mult=2.0), patch=dict(lr_mult=0.1))\n"
        "optim_wrapper = dict(paramwise_cfg=dict(custom_keys=keys))\n"
    )
    assert run(["suggest", str(tmp_path / "config.py"), "-o", f"markdown={tmp_path}/report.md"]) == 0
    shown = (tmp_path / "report.md").read_text()
    assert "```python\n_base_ = './config.py'\n" in shown
    assert "imports=['mmpretrain.models', 'lrdecay_cli.training']" in shown
    assert "custom_keys={'roi_head': {'lr_mult': 2.0}}" in shown


def test_lines_of_the_snippet_are_whole_in_a_narrow_terminal() -> None:
    shown = lrdecay_in_terminal("suggest", SAMPLES / "convnext-s_wrong-num-layers.py", "--color", "never", columns=80)
    assert "\noptim_wrapper = dict(\n    constructor='mmdet.LearningRateDecayOptimizerConstructor',\n" in shown.out


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("map.json", "a suggestion is for a config"),
        ("epoch_1.pth", "a suggestion is for a config"),
        ("nowhere.py", "no such config"),
        ("mmdet::yolox/yolox_tiny_8xb8-300e_coco.py", "yolox_tiny_8xb8-300e_coco.py: no decay is known to fit: "),
    ],
)
def test_what_cannot_be_judged_is_refused(source: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["suggest", source]) == 2
    assert said in capsys.readouterr().err


def a_map(backbone: str | None, names: dict[str, float], constructor: str, **options: object) -> GroupMap:
    """A map with a group for each parameter, by its lr scale; ids of mmdet's names are left out."""
    groups = {
        f"g{i}": {"lr_scale": scale, "parameters": {name: (2, 2)}} for i, (name, scale) in enumerate(names.items())
    }
    made = group_map(groups)
    return group_map(
        groups,
        constructor=Constructor(constructor, options),
        model=Model(
            "Detector", backbone, Totals(**{f: getattr(made.model.totals, f) for f in Totals.__struct_fields__})
        ),
        training=Training({"optimizer": {"type": "AdamW"}}, (), {}, {}, None, ()),
    )


def convnext(third: int) -> dict[str, float]:
    return {f"backbone.stages.{s}.{b}.w": 0.5 for s, depth in enumerate((3, 3, third, 3)) for b in range(depth)}


@pytest.mark.parametrize(("third", "num_layers"), [(6, 5), (9, 6), (27, 12)])
@pytest.mark.parametrize("installed", [True, False])
def test_convnext_gets_the_number_that_fits(third: int, num_layers: int, installed: bool) -> None:
    proposal = propose(a_map("ConvNeXt", convnext(third), "DefaultOptimWrapperConstructor"), mmdet=installed)
    assert proposal.constructor == (MMDET if installed else OURS)
    assert proposal.options["num_layers"] == (num_layers if installed else "auto")
    assert "where to start, not what is best" in proposal.reasons[1]


@pytest.mark.parametrize(("given", "faulty"), [(6, False), (12, True), (7, True)])
def test_faults_of_the_config_are_told(given: int, faulty: bool) -> None:
    decay = "LearningRateDecayOptimizerConstructor"
    proposal = propose(a_map("ConvNeXt", convnext(9), decay, num_layers=given, decay_rate=0.8), mmdet=True)
    assert proposal.fits is not faulty
    assert any(f"num_layers={given} does not fit" in fault for fault in proposal.faults) is faulty
    if faulty:
        assert proposal.options == {"decay_rate": 0.8, "decay_type": "layer_wise", "num_layers": 6}


def test_a_model_without_a_backbone_cannot_be_judged() -> None:
    with pytest.raises(LrdecayError, match="no backbone that is trained"):
        propose(a_map(None, {"conv.weight": 1.0}, "DefaultOptimWrapperConstructor"), mmdet=True)
