"""``suggest``: its snippet is pasted, loaded and built, and the real groups are checked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.analysis.suggesting.proposing import propose
from lrdecay_cli.app.requests.suggesting import JUDGED
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.checking.embedded_findings import findings_among
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Constructor, Model, Totals, Training
from lrdecay_cli.files.schema import document_schema
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.commands.running import SAMPLES, lrdecay_in_terminal
from tests.group_maps import group_map

MMDET = "mmdet.LearningRateDecayOptimizerConstructor"
OURS = "LayerDecayOptimWrapperConstructor"
# A sample, and for the lazy style a change that removes its decay; the suggestion, and the resulting layer ids.
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
    # mmdet's own layer ids, which the report explains.
    assert {name.split(".")[1][:4] for name in at_top} <= ({"norm"} if constructor == MMDET else {"ln1", "ln2"})
    layers_after = {(layer["layer_id"], layer["lr_scale"], layer["lr"]) for layer in document["after"]}
    assert layers_after == {(group.layer_id, group.lr_scale, group.lr) for group in built.groups}
    the_effect_is_that_of(audit(str(config)), built, document)


def the_effect_is_that_of(before: GroupMap, after: GroupMap, document: dict[str, Any]) -> None:
    """Compare the numbers of a suggestion with two real optimizers, averaged by numpy."""
    olds, news = ({p.name: (group.lr, p) for group, p in side.grouped() if p.requires_grad} for side in (before, after))
    inside = [effect for effect in document["effect"] if effect["name"].startswith("backbone")]
    assert 3 <= len(inside) < len(document["effect"])
    assert sum(effect["parameters"] for effect in document["effect"]) == sum(p.numel for _, p in news.values())
    for effect in [*document["effect"], document["backbone_effect"]]:
        names = [name for name in news if f"{name}.".startswith(f"{effect['name']}.")]
        sizes = [news[name][1].numel for name in names]
        lrs = [[side[name][0] for name in names] for side in (olds, news)]
        means = [float(np.average(side, weights=sizes)) for side in lrs]
        assert [effect["lr_before"], effect["lr_after"]] == pytest.approx(means)
        assert effect["factor"] == pytest.approx(means[1] / means[0])
        factors = np.divide(lrs[1], lrs[0])
        assert [effect["lowest_factor"], effect["highest_factor"]] == pytest.approx([factors.min(), factors.max()])


BEIT = (
    "_base_ = 'mmpretrain::beit/benchmarks/beit-base-p16_8xb128-coslr-100e_in1k.py'\n"
    "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg={})\n"
)
# A config; the factors of its backbone's mean and highest lr with the suggestion, and without the kept key.
EFFECTS = {
    "DINO Swin-L": (
        "_base_ = 'mmdet::dino/dino-5scale_swin-l_8xb2-12e_coco.py'\n",
        (0.495, 0.9),
        (4.95, 9.0),
    ),
    "BEiT": (BEIT, (0.153, 0.65), None),
    "a ResNet at a tenth": (
        "_base_ = 'mmdet::detr/detr_r50_8xb2-150e_coco.py'\n",
        (0.586, 0.7),
        (5.86, 7.0),
    ),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_the_effect_on_the_backbone_is_reported(name: str, tmp_path: Path) -> None:
    """Also without the kept key: both variants are pasted and built."""
    text, (mean, highest), other = EFFECTS[name]
    config = tmp_path / "config.py"
    config.write_text(text)
    outputs = [f"--output={kind}={tmp_path}/{kind}" for kind in ("json", "text", "markdown", "html", "python")]
    assert run(["suggest", str(config), "--device", "meta", *outputs]) == 0
    document = json.loads((tmp_path / "json").read_text())
    Draft202012Validator(document_schema("suggest")).validate(document)
    before = audit(str(config), device="meta")
    (tmp_path / "pasted.py").write_text(document["snippet"])
    the_effect_is_that_of(before, audit(str(tmp_path / "pasted.py"), device="meta"), document)
    effect = document["backbone_effect"]
    assert [effect["factor"], effect["highest_factor"]] == pytest.approx([mean, highest], rel=1e-2)
    shown = (tmp_path / "text").read_text()
    assert shown.startswith(f"backbone: mean lr ×{effect['factor']:.3g}, weighted by parameters, from ×")
    assert (document["variant"] is None) is (other is None)
    if other:
        variant = document["variant"]["backbone"]
        assert [variant["factor"], variant["highest_factor"]] == pytest.approx(other, rel=1e-2)
        (tmp_path / "pasted.py").write_text(document["variant"]["snippet"])
        decayed = audit(str(tmp_path / "pasted.py"), device="meta")
        lrs = {p.name: (p.numel, group.lr) for group, p in decayed.grouped() if p.name.startswith("backbone.")}
        trained = {p.name for _, p in before.grouped() if p.requires_grad}
        sizes, rates = zip(*(lrs[name] for name in lrs if name in trained), strict=True)
        assert variant["lr_after"] == pytest.approx(np.average(rates, weights=sizes))
        effect_line = f"without it: backbone mean lr ×{variant['factor']:.3g}, at most ×{other[1]:g}"
        for kind in ("text", "markdown", "html"):
            page = (tmp_path / kind).read_text().replace("&#215;", "×")
            assert effect_line in page, kind
        assert f"warning: custom_keys['backbone'] stays in addition to the layer decay; {effect_line}" in shown


def test_a_backbone_that_would_train_faster_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No key covers the whole backbone, so the decay replaces the keys that lowered its lr."""
    (tmp_path / "config.py").write_text(
        f"{SWIN}keys = {{'backbone.stages': dict(lr_mult=0.1), 'backbone.patch': dict(lr_mult=0.1)}}\n"
        "optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, custom_keys=keys))\n"
    )
    outputs = [f"--output={kind}={tmp_path}/{kind}" for kind in ("json", "text")]
    assert run(["suggest", str(tmp_path / "config.py"), "--device", "meta", *outputs]) == 0
    effect = json.loads((tmp_path / "json").read_text())["backbone_effect"]
    assert effect["factor"] > 1.5
    warning = f"backbone would train faster than now: mean lr ×{effect['factor']:.3g}, at most ×9"
    assert f"\nwarning: {warning}\n" in (tmp_path / "text").read_text()
    assert run(["suggest", str(tmp_path / "config.py"), "--device", "meta", "--format", "python"]) == 0
    assert warning in capsys.readouterr().err


def test_a_decay_that_fits_is_left_alone(tmp_path: Path) -> None:
    config = str(SAMPLES / "convnext-t_layer-wise.py")
    assert run(["suggest", config, "-o", f"json={tmp_path}/report.json", "-o", f"text={tmp_path}/report.txt"]) == 0
    shown = (tmp_path / "report.txt").read_text()
    assert shown.splitlines()[-1] == "fits: the config's own layer decay fits this model"
    assert "backbone.{norm0,norm1,norm2,norm3}.*  (8)" in shown
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["fits"], document["snippet"], document["before"]) == (True, "", document["after"])
    assert run(["suggest", config, "-o", f"python={tmp_path}/snippet.py"]) == 0
    # A config that equals another: later edits can be applied to this one.
    comment, base = (tmp_path / "snippet.py").read_text().splitlines()
    assert comment == "# fits: the config's own layer decay fits this model"
    assert base.startswith("_base_ = '../")
    assert audit(str(tmp_path / "snippet.py")).groups == audit(config).groups


def test_the_base_is_named_as_seen_from_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In another folder, behind a link to a folder, and on stdout with a path relative to the config."""
    (tmp_path / "deep" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "real")
    config = tmp_path / "config.py"
    config.write_text(SWIN)
    outputs = [f"--output=python={tmp_path}/{name}" for name in ("deep/one.py", "link/two.py")]
    assert run(["suggest", str(config), "--format", "python", *outputs]) == 0
    one, two = ((tmp_path / name).read_text().splitlines() for name in ("deep/one.py", "link/two.py"))
    assert (one[0], two[0]) == ("_base_ = '../config.py'", f"_base_ = {str(config)!r}")
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["_base_ = './config.py'", *one[1:]]
    assert one[1:] == two[1:]
    assert audit(str(tmp_path / "link/two.py")).constructor.type == OURS


@pytest.mark.parametrize(
    "text",
    [
        f"_base_ = {str(SAMPLES / 'convnext-t_layer-wise.py')!r}\noptim_wrapper = dict(paramwise_cfg=None)\n",
        "_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'\n"
        "custom_imports = None\noptim_wrapper = dict(paramwise_cfg=None)\n",
    ],
)
def test_a_base_with_none_in_it(text: str, tmp_path: Path) -> None:
    """mmengine does not let a dict inherit from None."""
    (tmp_path / "config.py").write_text(text)
    assert run(["suggest", str(tmp_path / "config.py"), "--output", f"python={tmp_path}/snippet.py"]) == 0
    assert len(audit(str(tmp_path / "snippet.py")).groups) > 1


def test_imports_of_the_base_and_keys_of_the_head_are_kept(tmp_path: Path) -> None:
    """A config's custom_imports replace those of its base, so the snippet needs both."""
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


SWIN = f"_base_ = {str(SAMPLES / 'swin-t_custom-keys.py')!r}\n"
# A config whose own constructor raises, and the reported reason.
REFUSED = {
    "mmdet's, of Swin": (
        "optim_wrapper = dict(constructor='LearningRateDecayOptimizerConstructor',\n"
        "    paramwise_cfg=dict(decay_rate=0.8, decay_type='layer_wise', num_layers=12))\n",
        "mmdet's constructor has no layer decay for SwinTransformer",
        0.8,
    ),
    "mmpretrain's, of a detector": (
        "custom_imports = dict(imports=['mmpretrain.engine'])\n"
        "optim_wrapper = dict(constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(layer_decay_rate=0.75))\n",
        "MaskRCNN",
        0.75,
    ),
    "nobody's": (
        "optim_wrapper = dict(constructor='LayerDecay', paramwise_cfg=dict(decay_rate=0.6))\n",
        "unknown optimizer constructor 'LayerDecay'",
        0.6,
    ),
    "ours, with a number that does not fit": (
        "custom_imports = dict(imports=['lrdecay_cli.training'])\n"
        "optim_wrapper = dict(constructor='LayerDecayOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, decay_rate=0.6, num_layers=24))\n",
        "24 does not fit",
        0.6,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_constructor_that_refuses_is_replaced(name: str, tmp_path: Path) -> None:
    text, message, rate = REFUSED[name]
    (tmp_path / "config.py").write_text(SWIN + text)
    with pytest.raises(LrdecayError) as refused:
        audit(str(tmp_path / "config.py"))
    outputs = [f"{name}={tmp_path}/report.{name}" for name in ("json", "text", "html")]
    outputs.append(f"python={tmp_path}/snippet.py")
    assert run(["suggest", str(tmp_path / "config.py"), *(f"--output={output}" for output in outputs)]) == 0
    document = json.loads((tmp_path / "report.json").read_text())
    Draft202012Validator(document_schema("suggest")).validate(document)
    assert document["refused"] == refused.value.problem
    assert message in document["refused"]
    assert (document["before"], document["fits"]) == ([], False)
    assert document["suggested"]["options"] == {"decay_rate": rate, "num_layers": "auto"}
    shown = (tmp_path / "report.text").read_text()
    assert f"warning: the config does not build: {refused.value.problem}" in shown
    assert "before\n" not in shown
    assert "built with the suggestion: 219 tensors in 14 layers" in shown
    page = (tmp_path / "report.html").read_text()
    assert f"<title>{tmp_path}/config.py &#183; Suggestion &#183; lrdecay</title>" in page

    built = audit(str(tmp_path / "snippet.py"))
    layers_after = {(layer["layer_id"], layer["lr_scale"], layer["lr"]) for layer in document["after"]}
    assert layers_after == {(group.layer_id, group.lr_scale, group.lr) for group in built.groups}
    assert len({group.layer_id for group in built.groups}) == 14


def test_unknown_layers_are_listed_as_registered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed list is a draft to review: with this list, the same model builds."""
    config = tmp_path / "config.py"
    config.write_text("_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'\n")
    assert run(["suggest", str(config)]) == 2
    (layers,) = re.findall(r"as they are registered: (layers=\[.*\])\n", capsys.readouterr().err)
    assert layers == r"layers=[r'stem\.(\d+)', r'stage1\.(\d+)', r'stage2\.(\d+)', r'stage3\.(\d+)', r'stage4\.(\d+)']"
    config.write_text(
        f"{config.read_text()}custom_imports = dict(imports=['lrdecay_cli.training'])\n"
        f"optim_wrapper = dict(constructor='{OURS}',\n"
        f"    paramwise_cfg=dict(_delete_=True, decay_rate=0.8, {layers}))\n"
    )
    built = audit(str(config))
    ids = {tensor.name: group.layer_id for group, tensor in built.grouped() if tensor.name.startswith("backbone.")}
    assert len({*ids.values()}) == len({tuple(name.split(".")[:3]) for name in ids}) == 12


TIMM = (
    "_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'\n"
    "custom_imports = dict(imports=['mmpretrain.models'], allow_failed_imports=False)\n"
    "model = dict(backbone=dict(_delete_=True, type='mmpretrain.TIMMBackbone', model_name={!r}, features_only={}))\n"
)


def test_layers_of_a_wrapped_model_are_those_inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """timm's model is in one module; as a single layer, it would have no decay."""
    config = tmp_path / "config.py"
    config.write_text(TIMM.format("convnext_atto", True))
    assert run(["suggest", str(config)]) == 2
    (layers,) = re.findall(r"as they are registered: (layers=\[.*\])\n", capsys.readouterr().err)
    paramwise_cfg = f"dict(decay_rate=0.8, {layers})"
    (tmp_path / "pasted.py").write_text(
        "_base_ = './config.py'\n"
        "custom_imports = dict(imports=['mmpretrain.models', 'lrdecay_cli.training'])\n"
        f"optim_wrapper = dict(constructor='{OURS}', paramwise_cfg={paramwise_cfg})\n"
    )
    built = audit(str(tmp_path / "pasted.py"))
    ids = {tensor.name: group.layer_id for group, tensor in built.grouped() if tensor.name.startswith("backbone.")}
    assert {name.split(".")[2]: layer for name, layer in ids.items()} == {
        "stem_0": 0,
        "stem_1": 1,
        **{f"stages_{stage}": 2 + stage for stage in range(4)},
    }


def test_a_wrapped_model_that_is_known_gets_its_decay(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(TIMM.format("vit_tiny_patch16_224", False))
    assert run(["suggest", str(tmp_path / "config.py"), "--output", f"python={tmp_path}/snippet.py"]) == 0
    built = audit(str(tmp_path / "snippet.py"))
    assert built.constructor.options == {"decay_rate": 0.8, "num_layers": "auto", "backbone": "backbone.timm_model"}
    assert len({group.layer_id for group in built.groups}) == 14


@pytest.mark.parametrize("inherited", [False, True])
def test_the_lines_for_a_lazy_config_leave_nothing_of_its_options(inherited: bool, tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    shutil.copy(SAMPLES / "vit_lazy-style.py", tmp_path / "base.py")
    text = (SAMPLES / "vit_lazy-style.py").read_text()
    if inherited:
        text = "from mmengine.config import read_base\nwith read_base():\n    from .base import *\n"
    refused = "optim_wrapper['constructor'] = 'mmdet.LearningRateDecayOptimizerConstructor'\n"
    config.write_text(text + refused)
    assert run(["suggest", str(config), "-o", f"python={tmp_path}/lines.py", "-o", f"json={tmp_path}/report.json"]) == 0
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["refused"] == "num_layers is missing"
    assert [each["name"] for each in document["left_out"]] == ["norm_decay_mult", "flat_decay_mult"]
    config.write_text(text + refused + (tmp_path / "lines.py").read_text())
    built = audit(str(config))
    assert built.constructor.options == {"decay_rate": 0.75, "num_layers": "auto"}
    layers_after = {(layer["layer_id"], layer["lr_scale"], layer["lr"]) for layer in document["after"]}
    assert layers_after == {(group.layer_id, group.lr_scale, group.lr) for group in built.groups}


def test_a_refusal_is_reported_beside_the_snippet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.py").write_text(SWIN + REFUSED["mmdet's, of Swin"][0])
    assert run(["suggest", str(tmp_path / "config.py"), "--format", "python"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("_base_ = './config.py'\n")
    assert "config.py: the config does not build: mmdet's constructor has no layer decay" in printed.err


def test_errors_of_every_constructor_stay_the_config_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.py").write_text(f"{SWIN}optim_wrapper = dict(optimizer=dict(type='AdamX'))\n")
    assert run(["suggest", str(tmp_path / "config.py")]) == 2
    assert "unknown optimizer 'AdamX'" in capsys.readouterr().err


def test_own_options_are_reported_as_kept_or_removed(tmp_path: Path) -> None:
    """ConvNeXt: MMDetection's constructor would ignore the head's key, so it is not suggested."""
    base = SAMPLES / "convnext-t_layer-wise.py"
    (tmp_path / "config.py").write_text(
        f"_base_ = {str(base)!r}\n"
        "keys = {'roi_head': dict(lr_mult=2.0), 'backbone': dict(lr_mult=0.1, decay_mult=1.0),\n"
        "    'nowhere': dict(lr_mult=3.0), 'norm': dict(decay_mult=0.0), 'conv': dict(lr_mult=0.5)}\n"
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, custom_keys=keys))\n"
    )
    outputs = ["-o", f"json={tmp_path}/report.json", "-o", f"text={tmp_path}/report.txt"]
    assert run(["suggest", str(tmp_path / "config.py"), *outputs, "-o", f"python={tmp_path}/snippet.py"]) == 0
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["suggested"]["type"] == OURS
    # The lr_mult of the whole backbone is kept; only its lr part matters.
    kept_keys = {each["name"]: each["value"] for each in document["kept"]}
    assert kept_keys == {"custom_keys['roi_head']": {"lr_mult": 2.0}, "custom_keys['backbone']": {"lr_mult": 0.1}}
    assert {each["name"]: each["value"] for each in document["left_out"]}["custom_keys['backbone']"] == {
        "decay_mult": 1.0
    }
    assert {each["name"] for each in document["left_out"]} == {
        *("norm_decay_mult", "custom_keys['backbone']", "custom_keys['norm']", "custom_keys['conv']"),
        "custom_keys['nowhere']",
    }
    shown = (tmp_path / "report.txt").read_text()
    assert (
        "options kept from the current paramwise_cfg\n  custom_keys['roi_head'] = {'lr_mult': 2.0}  (20 tensors outside"
        in shown
    )
    assert "\n  custom_keys['nowhere'] = {'lr_mult': 3.0}  (no name contains it)\n" in shown
    built = audit(str(tmp_path / "snippet.py"))
    scales = {tensor.name: group.lr_scale for group, tensor in built.grouped()}
    assert {scale for name, scale in scales.items() if name.startswith("roi_head.")} == {2.0}
    assert max(scale or 0 for name, scale in scales.items() if name.startswith("backbone.")) == pytest.approx(0.1 * 0.7)
    # A head with a deliberately higher lr is not a fault of the suggestion.
    assert "faster than the head" not in shown
    assert propose(built, findings_among(built, JUDGED), mmdet=True).fits


def test_keys_that_mmdet_ignores_are_reported(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(
        f"_base_ = {str(SAMPLES / 'convnext-s_wrong-num-layers.py')!r}\n"
        "optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(roi_head=dict(lr_mult=2.0))))\n"
    )
    assert run(["suggest", str(tmp_path / "config.py"), "-o", f"text={tmp_path}/report.txt"]) == 0
    shown = (tmp_path / "report.txt").read_text()
    assert "the layer decay replaces them; mmdet's constructor ignored them\n  custom_keys['roi_head']" in shown
    assert "constructor='mmdet.LearningRateDecayOptimizerConstructor'" in shown


def test_lines_that_are_too_long_are_indented_as_python_is(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(
        f"{SWIN}custom_imports = dict(imports=['mmpretrain.models', 'mmpretrain.engine', 'mmpretrain.datasets'],\n"
        "    allow_failed_imports=False)\n"
    )
    assert run(["suggest", str(tmp_path / "config.py"), "-o", f"python={tmp_path}/snippet.py"]) == 0
    assert "custom_imports = dict(\n    imports=[" in (tmp_path / "snippet.py").read_text()


def test_long_custom_keys_have_a_line_each(tmp_path: Path) -> None:
    config = "mmdet::mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco-panoptic.py"
    assert run(["suggest", config, "--device", "meta", "-o", f"python={tmp_path}/snippet.py"]) == 0
    lines = (tmp_path / "snippet.py").read_text().splitlines()
    assert lines[-5:] == [
        "        custom_keys={",
        "            'backbone': {'lr_mult': 0.1},",
        "            'query_embed': {'lr_mult': 1.0, 'decay_mult': 0.0},",
        "            'query_feat': {'lr_mult': 1.0, 'decay_mult': 0.0},",
        "            'level_embed': {'lr_mult': 1.0, 'decay_mult': 0.0}}))",
    ]
    built = audit(str(tmp_path / "snippet.py"), device="meta")
    assert {group.weight_decay for group, tensor in built.grouped() if "query_embed" in tensor.name} == {0.0}


def test_lines_of_the_snippet_are_whole_in_a_narrow_terminal() -> None:
    shown = lrdecay_in_terminal("suggest", SAMPLES / "convnext-s_wrong-num-layers.py", "--color", "never", columns=80)
    assert "\noptim_wrapper = dict(\n    constructor='mmdet.LearningRateDecayOptimizerConstructor',\n" in shown.out


def test_a_misspelt_setting_does_not_affect_the_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.py"
    config.write_text(f"{SWIN}optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(roi_head=dict(lr_mul=2.0))))\n")
    assert run(["suggest", str(config)]) == 2
    assert capsys.readouterr().err == (
        f"lrdecay: {config}: optim_wrapper.paramwise_cfg.custom_keys['roi_head']:"
        " unknown setting 'lr_mul'; did you mean 'lr_mult'?\n"
    )


def test_a_rate_too_large_for_a_float_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.py"
    config.write_text(
        f"_base_ = '{SAMPLES / 'convnext-t_layer-wise.py'}'\n"
        "optim_wrapper = dict(paramwise_cfg=dict(decay_rate=10**400))\n"
    )
    assert run(["suggest", str(config)]) in (0, 1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("map.json", "suggest needs a config"),
        ("epoch_1.pth", "suggest needs a config"),
        ("nowhere.py", "no such config"),
        (
            "mmdet::yolox/yolox_tiny_8xb8-300e_coco.py",
            "yolox_tiny_8xb8-300e_coco.py: lrdecay knows no layer decay for this config: ",
        ),
    ],
)
def test_a_failed_check_is_refused(source: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["suggest", source]) == 2
    assert message in capsys.readouterr().err


def a_map(backbone: str | None, names: dict[str, float], constructor: str, **options: object) -> GroupMap:
    """Return a map with a group for each parameter, by its lr scale; layer ids that need mmdet's names are omitted."""
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
    assert "a starting point" in proposal.reasons[1]


@pytest.mark.parametrize(("given", "faulty"), [(6, False), (12, True), (7, True)])
@pytest.mark.parametrize("frozen", [0, 2])
def test_faults_of_the_config_are_reported(given: int, faulty: bool, frozen: int) -> None:
    """The same findings as check: with two frozen stages their layer ids are unused, which is not a jump of the lr."""
    paramwise = "optim_wrapper.paramwise_cfg"
    options = (
        f"{paramwise}.num_layers={given}",
        f"{paramwise}.decay_rate=0.8",
        f"model.backbone.frozen_stages={frozen}",
    )
    before = audit(str(SAMPLES / "convnext-t_layer-wise.py"), cfg_options=options, device="meta")
    findings = findings_among(before, JUDGED)
    proposal = propose(before, findings, mmdet=True)
    assert proposal.fits is not faulty
    assert {*proposal.faults} <= {*findings_of(before, RULES)}
    assert any(f"num_layers={given} does not fit" in fault.message for fault in proposal.faults) is faulty
    if faulty:
        assert proposal.options == {"decay_rate": 0.8, "decay_type": "layer_wise", "num_layers": 6}


def test_a_model_without_a_backbone_cannot_be_checked() -> None:
    with pytest.raises(LrdecayError, match="needs a trainable backbone"):
        propose(a_map(None, {"conv.weight": 1.0}, "DefaultOptimWrapperConstructor"), mmdet=True)
