"""Mistakes that were seen in the wild, and others of their families: wrong configs, and the same configs repaired.

Rules on coverage, layers and rates; every config is built for real.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from lrdecay_cli.domain.checkpoint import Checkpoint
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules import RULES, Example
from lrdecay_cli.rules.running import findings_of
from lrdecay_cli.text.name_patterns import matches
from tests.rules.examples import map_of
from tests.rules.layer_configs import convnext, plain_decay, vit, wrapped

HERE = tuple(rule for rule in RULES if rule.code < "LRD4")
MMPRETRAIN = "LearningRateDecayOptimWrapperConstructor"
ALL_STAGES = dict(out_indices=(0, 1, 2, 3), gap_before_final_norm=False)
SWIN = dict(arch=dict(embed_dims=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 1, 1]), patch_size=4)
HIVIT = dict(type="HiViT", arch=dict(embed_dims=32, depths=[1, 1, 4], num_heads=2))
SGD = "optim_wrapper = dict(_delete_=True, optimizer=dict(type='SGD', lr=2e-4, weight_decay=1e-4), "


def default(options: str, **backbone: object) -> Example:
    """The tiny ConvNeXt with mmengine's default constructor."""
    return Example(f"model = dict(backbone={backbone!r})\n{SGD}paramwise_cfg={options})")


def mmpretrain(**backbone: object) -> Example:
    """A backbone with mmpretrain's decay, without a head of its own size: none is run."""
    return vit(MMPRETRAIN, dict(layer_decay_rate=0.7), **backbone)


def by_layer(*slow: str) -> Example:
    """Twelve layers with mmengine's default constructor, of which ``slow`` keys are slower."""
    keys = {**{key: dict(lr_mult=0.1) for key in slow}, "backbone.layers.": dict(lr_mult=0.5)}
    return vit("DefaultOptimWrapperConstructor", dict(custom_keys=keys), layers=12)


CASES: dict[str, tuple[Example, Example, str, Sequence[str]]] = {
    # Layers that pass the head.
    "overflow-27": (
        convnext([3, 3, 27, 3]),
        convnext([3, 3, 27, 3], 12),
        "LRD301",
        ["backbone.stages.2.{15-26}.*"],
    ),
    "overflow-36": (
        convnext([1, 1, 36, 1], 12),
        convnext([1, 1, 36, 1], 15),
        "LRD301",
        ["backbone.stages.2.{33-35}.*"],
    ),
    "overflow-18": (convnext([2, 2, 18, 2]), convnext([2, 2, 18, 2], 9), "LRD301", ["backbone.stages.2.{15-17}.*"]),
    "overflow-stage-wise": (
        convnext([1, 1, 3, 1], 2, kind="stage_wise"),
        convnext([1, 1, 3, 1], 4, kind="stage_wise"),
        "LRD301",
        ["backbone.stages.3.*"],
    ),
    "overflow-frozen-stem": (
        convnext([3, 3, 27, 3], frozen_stages=1),
        convnext([3, 3, 27, 3], 12, frozen_stages=1),
        "LRD301",
        ["backbone.stages.2.{15-26}.*"],
    ),
    "overflow-custom": (plain_decay(2), plain_decay(4), "LRD301", ["backbone.layers.3.*"]),
    "overflow-without-ids": (
        plain_decay(2, without_ids=True),
        plain_decay(4, without_ids=True),
        "LRD301",
        ["backbone.layers.3.*"],
    ),
    "overflow-by-another-option": (
        plain_decay(2, rate_is="gamma", gamma=0.6),
        plain_decay(4, rate_is="gamma", gamma=0.6),
        "LRD301",
        ["backbone.layers.3.*"],
    ),
    "overflow-rate-1": (
        convnext([3, 3, 27, 3], rate=1.0),
        convnext([3, 3, 27, 3], 12, rate=1.0),
        "LRD203",
        ["backbone.stages.2.{9-26}.*"],
    ),
    # Layers that reach the last stage or the head.
    "too-few-layers": (convnext([3, 3, 12, 3]), convnext([3, 3, 12, 3], 7), "LRD203", ["backbone.stages.2.{9-11}.*"]),
    "too-few-layers-head": (
        convnext([3, 3, 15, 3]),
        convnext([3, 3, 15, 3], 8),
        "LRD203",
        ["backbone.stages.2.{9-14}.*"],
    ),
    "too-few-layers-vit": (plain_decay(3), plain_decay(4), "LRD203", ["backbone.layers.3.*"]),
    # Gaps and cliffs.
    "gap-tiny-12": (
        convnext([3, 3, 9, 3], 12),
        convnext([3, 3, 9, 3]),
        "LRD203",
        ["backbone.{downsample_layers,stages}.{0-2}.*"],
    ),
    "gap-atto": (
        convnext([2, 2, 6, 2]),
        convnext([2, 2, 6, 2], 5),
        "LRD203",
        ["backbone.{downsample_layers,stages}.{0-2}.*"],
    ),
    "gap-vit": (
        plain_decay(8),
        plain_decay(4),
        "LRD203",
        ["backbone.{cls_token,pos_embed}", "backbone.{patch_embed,layers}.*"],
    ),
    "gap-three-stages": (
        convnext([3, 3, 9]),
        convnext([3, 3, 9], 5),
        "LRD204",
        ["backbone.{downsample_layers,stages}.*"],
    ),
    "gap-head-too-high": (
        plain_decay(head=3),
        plain_decay(),
        "LRD204",
        ["backbone.{cls_token,pos_embed}", "backbone.{patch_embed,layers}.*"],
    ),
    "gap-in-the-middle": (
        plain_decay(6, ids=dict(b2=5, b3=6)),
        plain_decay(4),
        "LRD203",
        ["backbone.{cls_token,pos_embed}", "backbone.patch_embed.*", "backbone.layers.{0,1}.*"],
    ),
    "gap-mmpretrain": (
        mmpretrain(type="ConvNeXt", arch=dict(depths=[2, 2, 6, 2], channels=[4, 4, 4, 8])),
        mmpretrain(type="ConvNeXt", arch=dict(depths=[2, 2, 9, 2], channels=[4, 4, 4, 8])),
        "LRD204",
        ["backbone.{downsample_layers,stages}.{0-2}.*"],
    ),
    "cliff-without-ids": (
        plain_decay(8, layers=6, without_ids=True, ids=dict(b3=6, b4=7, b5=8)),
        plain_decay(6, layers=6, without_ids=True),
        "LRD204",
        ["backbone.layers.{0-2}.*"],
    ),
    # Stages with a count of layers.
    "stage-wise-6": (
        convnext([3, 3, 9, 3], 6, 0.9, "stage_wise"),
        convnext([3, 3, 9, 3], 4, 0.9, "stage_wise"),
        "LRD206",
        ["backbone.{downsample_layers,stages}.*"],
    ),
    "stage-wise-12": (
        convnext([3, 3, 9, 3], 12, 0.9, "stage_wise"),
        convnext([3, 3, 9, 3], 4, 0.9, "stage_wise"),
        "LRD206",
        ["backbone.{downsample_layers,stages}.*"],
    ),
    # The backbone's own at the head's rate.
    "norms-at-head-rate": (
        convnext([1, 1, 9, 1], **ALL_STAGES),
        convnext([1, 1, 9, 1]),
        "LRD201",
        ["backbone.{norm0,norm1,norm2,norm3}.*"],
    ),
    "norms-at-head-rate-overflow": (
        convnext([1, 1, 27, 1], **ALL_STAGES),
        convnext([1, 1, 27, 1], 12),
        "LRD201",
        ["backbone.{norm0,norm1,norm2,norm3}.*"],
    ),
    "norms-at-head-rate-stage-wise": (
        convnext([1, 1, 3, 1], 4, kind="stage_wise", **ALL_STAGES),
        convnext([1, 1, 3, 1], 4, kind="stage_wise"),
        "LRD201",
        ["backbone.{norm0,norm1,norm2,norm3}.*"],
    ),
    "norms-at-head-rate-two": (
        convnext([1, 1, 9, 1], out_indices=(1, 2), gap_before_final_norm=False),
        convnext([1, 1, 9, 1]),
        "LRD201",
        ["backbone.{norm1,norm2}.*"],
    ),
    "register-tokens": (
        mmpretrain(type="WithRegisters"),
        mmpretrain(type="WithRegisters", placed=True),
        "LRD201",
        ["backbone.register_tokens"],
    ),
    "swin-positions-and-norms": (
        mmpretrain(type="SwinTransformer", use_abs_pos_embed=True, out_indices=(0, 1, 2, 3), **SWIN),
        mmpretrain(type="SwinTransformer", **SWIN),
        "LRD201",
        ["backbone.absolute_pos_embed", "backbone.{norm0,norm1,norm2,norm3}.*"],
    ),
    "custom-forgets-tokens": (
        plain_decay(unknown=["cls_token"]),
        plain_decay(),
        "LRD201",
        ["backbone.cls_token"],
    ),
    "custom-key-without-lr": (
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0.1), downsample_layers=dict(decay_mult=0.0)))"),
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0.1), downsample_layers=dict(lr_mult=0.1)))"),
        "LRD201",
        ["backbone.downsample_layers.*"],
    ),
    # Names that the constructor does not look for.
    "student": (
        wrapped("student", "backbone."),
        wrapped("student", "student.backbone."),
        "LRD207",
        ["student.backbone.*"],
    ),
    "img_backbone": (
        wrapped("img_backbone", "backbone."),
        wrapped("img_backbone", "img_backbone."),
        "LRD207",
        ["img_backbone.*"],
    ),
    "hivit-mmpretrain": (
        mmpretrain(**HIVIT),
        mmpretrain(),
        "LRD208",
        ["backbone.blocks.*"],
    ),
    "convnext-of-blocks": (
        convnext([1, 1, 9, 1], type="ConvNeXtOfBlocks"),
        convnext([1, 1, 9, 1], type="ConvNeXtOfBlocks", renamed=False),
        "LRD208",
        ["backbone.blocks.*"],
    ),
    "convnext-of-one-stage": (
        convnext([6], 2, out_indices=-1),
        convnext([1, 1, 9, 1]),
        "LRD208",
        ["backbone.stages.*"],
    ),
    # Order.
    "swapped-blocks": (
        plain_decay(ids=dict(b1=3, b2=2)),
        plain_decay(),
        "LRD205",
        ["backbone.layers.1.*"],
    ),
    "last-block-with-the-head": (
        plain_decay(ids=dict(b3=5)),
        plain_decay(),
        "LRD205",
        ["backbone.layers.3.*"],
    ),
    "key-in-longer-numbers": (
        by_layer("backbone.layers.0", "backbone.layers.1"),
        by_layer("backbone.layers.0.", "backbone.layers.1."),
        "LRD205",
        ["backbone.layers.{10,11}.*"],
    ),
    # Who is trained.
    "forgotten-head": (plain_decay(drop="head"), plain_decay(), "LRD101", ["head.*"]),
    "forgotten-layer": (plain_decay(drop="backbone.layers.1."), plain_decay(), "LRD101", ["backbone.layers.1.*"]),
    "two-optimizers": (
        vit("TwoOptimizers", dict(both=True)),
        vit("TwoOptimizers", dict(both=False), frozen_stages=-1),
        "LRD102",
        ["backbone.patch_embed.*"],
    ),
    "frozen-in-a-group": (
        default("None", frozen_stages=2),
        default("dict(norm_decay_mult=1.0)", frozen_stages=2),
        "LRD103",
        ["backbone.{downsample_layers,stages}.{0,1}.*"],
    ),
    "lr-mult-0": (
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0, decay_mult=0)))"),
        default("dict(norm_decay_mult=0.)", frozen_stages=4),
        "LRD104",
        ["backbone.*"],
    ),
    "lr-mult-0-of-a-part": (
        default("dict(custom_keys={'stages.0': dict(lr_mult=0.0)})"),
        default("dict(custom_keys={'stages.0': dict(lr_mult=0.01)})"),
        "LRD104",
        ["backbone.stages.0.*"],
    ),
    "copied-parameters": (plain_decay(foreign=True), plain_decay(), "LRD106", []),
    # Scales and rates.
    "scale-only": (
        plain_decay(scale_only=True),
        plain_decay(),
        "LRD305",
        ["backbone.{cls_token,pos_embed}", "backbone.{patch_embed,layers}.*"],
    ),
    "lr-changed-afterwards": (
        plain_decay(times=["head", 3]),
        plain_decay(),
        "LRD304",
        ["head.*", "backbone.{ln1,ln2}.*"],
    ),
    "negative": (
        default("dict(custom_keys=dict(backbone=dict(lr_mult=-0.1)))"),
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))"),
        "LRD306",
        ["backbone.*"],
    ),
    "zero": (
        Example("optim_wrapper = dict(optimizer=dict(lr=0.0))"),
        Example("optim_wrapper = dict(optimizer=dict(lr=1e-4))"),
        "LRD306",
        ["*"],
    ),
    "lost-in-rounding": (
        plain_decay(decay_rate=0.01),
        plain_decay(decay_rate=0.5),
        "LRD307",
        ["backbone.{cls_token,pos_embed}", "backbone.patch_embed.*", "backbone.layers.0.*"],
    ),
    "rate-above-1": (
        plain_decay(decay_rate=1.25),
        plain_decay(decay_rate=0.8),
        "LRD302",
        ["backbone.{cls_token,pos_embed}", "backbone.{patch_embed,layers}.*"],
    ),
    "groups-of-one": (plain_decay(10, layers=10, split=True), plain_decay(10, layers=10), "LRD308", []),
    "logged-lr": (
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))"),
        default("dict(custom_keys=dict(head=dict(lr_mult=0.1)))"),
        "LRD309",
        ["backbone.downsample_layers.0.0.weight"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_and_repaired(case: str) -> None:
    wrong, repaired, code, patterns = CASES[case]
    group_map = _map(wrong)
    found = _by_code(findings_of(group_map, HERE))
    assert code in found
    names = [name for path, module in group_map.modules.items() for name in _named(path, module.parameters)]
    meant = {name for name in names if any(matches(pattern, name) for pattern in patterns)}
    reported = {name for finding in found[code] for name in finding.parameters}
    assert {name for name in reported if name in names} == meant
    assert code not in _by_code(_findings(repaired))


MUTATIONS: dict[str, tuple[Example, set[str]]] = {
    "num_layers one too small": (plain_decay(3), {"LRD203"}),
    "num_layers too small": (plain_decay(2), {"LRD301"}),
    "num_layers too large": (plain_decay(9), {"LRD203"}),
    "head too high": (plain_decay(head=2), {"LRD204"}),
    "head with the last block": (plain_decay(head=0), {"LRD205"}),
    "stem below 0": (plain_decay(stem=-1), {"LRD202"}),
    "block with the head": (plain_decay(ids=dict(b3=5)), {"LRD205"}),
    "blocks swapped": (plain_decay(ids=dict(b0=2, b1=1)), {"LRD205"}),
    "tokens forgotten": (plain_decay(unknown=["cls_token", "pos_embed"]), {"LRD201"}),
    "blocks unknown": (plain_decay(unknown=["layers"]), {"LRD208"}),
    "other names": (plain_decay(prefix="model.backbone."), {"LRD208"}),
    "wrapped": (wrapped("teacher", "backbone."), {"LRD207"}),
    "head dropped": (plain_decay(drop="head"), {"LRD101"}),
    "a tensor twice": (plain_decay(twice=True), {"LRD102"}),
    "a tensor of nobody": (plain_decay(foreign=True), {"LRD106"}),
    "frozen kept": (plain_decay(keep_frozen=True, backbone=dict(frozen_stages=1)), {"LRD103"}),
    "stem still": (plain_decay(still="backbone.patch_embed"), {"LRD104"}),
    "rate above 1": (plain_decay(decay_rate=1.1), {"LRD302"}),
    "rate 0": (plain_decay(decay_rate=0.0), {"LRD302"}),
    "rate negative": (plain_decay(decay_rate=-0.7), {"LRD302"}),
    "rate 1": (plain_decay(decay_rate=1.0), {"LRD303"}),
    "rate tiny": (plain_decay(decay_rate=0.001), {"LRD307"}),
    "scale without lr": (plain_decay(scale_only=True), {"LRD305"}),
    "lr of one group": (plain_decay(times=["backbone.layers.3.", 0.9]), {"LRD304"}),
    "lr negative": (plain_decay(times=["backbone.layers.3.", -1.0]), {"LRD306"}),
    "a group each": (plain_decay(10, layers=10, split=True), {"LRD308"}),
    "stem first": (plain_decay(stem_first=True), {"LRD309"}),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_one_mistake_is_told_once(mutation: str) -> None:
    example, codes = MUTATIONS[mutation]
    findings = _findings(example)
    assert {finding.code for finding in findings} == codes, [finding.message for finding in findings]
    assert len(findings) == len(codes)


@pytest.mark.parametrize(
    "example",
    [
        plain_decay(),
        plain_decay(backbone=dict(frozen_stages=1)),
        plain_decay(without_ids=True),
        plain_decay(12, 0.65, 12),
        plain_decay(layers=4, backbone=dict(with_cls_token=False)),
        wrapped("student", "student.backbone."),
        wrapped("module", "backbone."),
        default("None"),
    ],
    ids=lambda example: example.config[-60:],
)
def test_nothing_is_found_where_nothing_is_wrong(example: Example) -> None:
    assert [finding.message for finding in _findings(example)] == []


@pytest.mark.parametrize(
    "backbone",
    [
        dict(),
        dict(type="BEiTViT", use_rel_pos_bias=True),
        dict(type="SwinTransformer", **SWIN),
        dict(type="ConvNeXt", arch=dict(depths=[1, 1, 9, 1], channels=[4, 4, 4, 8])),
        dict(type="ResNet", depth=50),
    ],
    ids=["vit", "beit", "swin", "convnext", "resnet"],
)
def test_backbones_that_mmpretrain_serves_have_nothing_but_notes(backbone: dict[str, object]) -> None:
    assert {finding.code for finding in _findings(mmpretrain(**backbone))} <= {"LRD308", "LRD309"}


OURS = "custom_imports = dict(imports=['plugin', 'lrdecay_cli.training'])\n"


def ours(example: Example, **options: object) -> Example:
    """The model of an example with lrdecay's own constructor."""
    model = example.config.partition("optim_wrapper")[0]
    given = dict(_delete_=True, decay_rate=0.7) | options
    wrapper = f"optim_wrapper = dict(constructor='mmengine.LayerDecayOptimWrapperConstructor', paramwise_cfg={given!r})"
    return Example(f"{OURS}{model}{wrapper}", example.plugin)


@pytest.mark.parametrize(
    "example",
    [
        ours(convnext([1, 1, 9, 1], **ALL_STAGES)),
        ours(convnext([2, 2, 6, 2], **ALL_STAGES)),
        ours(convnext([1, 1, 3, 1], **ALL_STAGES), decay_type="stage_wise"),
        ours(mmpretrain(type="WithRegisters", placed=True)),
        ours(mmpretrain(**HIVIT)),
        ours(mmpretrain(type="SwinTransformer", use_abs_pos_embed=True, out_indices=(0, 1, 2, 3), **SWIN)),
        ours(mmpretrain(type="ResNet", depth=50)),
        ours(wrapped("student", ""), backbone="student.backbone"),
        ours(plain_decay(), custom_keys={"head": dict(lr_mult=10.0), "ln2": dict(lr_mult=2.0)}),
        ours(convnext([6], type="ConvNeXtOfBlocks"), layers=["downsample_layers", r"blocks\.(\d+)"]),
    ],
    ids=lambda example: example.config[90:160],
)
def test_our_own_constructor_has_nothing_but_notes(example: Example) -> None:
    found = [f"{finding.code}: {finding.message}" for finding in _findings(example) if finding.severity != "info"]
    assert found == []


def _rate_of_the_first_group(lr: float) -> Callable[[GroupMap], GroupMap]:
    def edit(group_map: GroupMap) -> GroupMap:
        first, *others = group_map.groups
        return msgspec.structs.replace(group_map, groups=(msgspec.structs.replace(first, lr=lr), *others))

    return edit


def _fewer_tensors(group_map: GroupMap) -> GroupMap:
    totals = msgspec.structs.replace(group_map.model.totals, tensors=3)
    return msgspec.structs.replace(group_map, model=msgspec.structs.replace(group_map.model, totals=totals))


def _without_the_last_group(group_map: GroupMap) -> GroupMap:
    return msgspec.structs.replace(group_map, groups=group_map.groups[:-1])


def _another_parameter(group_map: GroupMap) -> GroupMap:
    missing = msgspec.structs.replace(group_map.groups[0].parameters[0], name="nobody.weight")
    first = msgspec.structs.replace(group_map.groups[0], parameters=(missing, *group_map.groups[0].parameters[1:]))
    return msgspec.structs.replace(group_map, groups=(first, *group_map.groups[1:]))


@pytest.mark.parametrize(
    ("base", "edit", "codes", "told"),
    [
        (plain_decay(), _fewer_tensors, {"LRD105"}, "totals do not add up: tensors says 3, there are"),
        (plain_decay(), _without_the_last_group, {"LRD105"}, "neither grouped, frozen, missing nor a duplicate"),
        (plain_decay(), _another_parameter, {"LRD105"}, "no module of the model registers 1 tensor of the map"),
        (plain_decay(), _rate_of_the_first_group(math.nan), {"LRD306"}, "1 group has lr nan"),
        (plain_decay(), _rate_of_the_first_group(0.5), {"LRD304", "LRD309"}, "1 times 0.0001 is 0.0001"),
        (convnext([1, 1, 9, 1]), _rate_of_the_first_group(0.5), {"LRD209"}, "our rules say"),
    ],
    ids=["totals", "group-gone", "parameter-renamed", "nan", "lr", "lr-explained"],
)
def test_edited_maps(base: Example, edit: Callable[[GroupMap], GroupMap], codes: set[str], told: str) -> None:
    found = findings_of(edit(_map(base)), HERE)
    assert {finding.code for finding in found} == codes
    assert any(told in finding.message for finding in found), [finding.message for finding in found]


@pytest.mark.parametrize("mistake", ["none", "num_layers too small", "stem below 0", "block with the head", "rate 1"])
def test_checkpoints_are_judged_by_what_they_started_with(mistake: str) -> None:
    example, codes = MUTATIONS.get(mistake, (plain_decay(), set()))
    group_map = _map(example)
    # At the end of a run, read without its config.
    groups = tuple(msgspec.structs.replace(group, lr=0.0) for group in group_map.groups)
    saved = Checkpoint(12, 9000, None, "recorded", None, None, 0)
    at_the_end = msgspec.structs.replace(group_map, groups=groups, modules={}, checkpoint=saved)
    assert {finding.code for finding in findings_of(at_the_end, HERE)} == codes


@pytest.mark.parametrize(
    ("example", "remedy"),
    [
        (convnext([3, 3, 27, 3]), "num_layers=12 fits depths 3,3,27,3"),
        (convnext([3, 3, 9, 3], 12), "num_layers=6 fits depths 3,3,9,3"),
        (convnext([2, 2, 6, 2]), "num_layers=5 fits depths 2,2,6,2"),
        (convnext([3, 3, 9, 3], 6, 0.9, "stage_wise"), "num_layers=4 fits 4 stages"),
        (convnext([3, 3, 9]), "num_layers=5 leaves no gap"),
        (plain_decay(decay_rate=1.25), "a rate between 0 and 1: 0.8 is its inverse"),
    ],
)
def test_remedies_have_their_value(example: Example, remedy: str) -> None:
    assert remedy in [finding.remedy for finding in _findings(example)]


def test_a_rule_that_yields_speaks_where_the_other_is_not_asked() -> None:
    group_map = _map(convnext([3, 3, 27, 3]))
    for prefix, code in (("LRD", "LRD301"), ("LRD2", "LRD203"), ("LRD202", "LRD202"), ("LRD205", "LRD205")):
        chosen = [rule for rule in HERE if rule.code.startswith(prefix)]
        assert [finding.code for finding in findings_of(group_map, chosen) if finding.severity != "info"] == [code]


def test_causes_that_rules_yield_to_exist() -> None:
    codes = {rule.code for rule in RULES}
    for rule in RULES:
        assert set(rule.yields_to) <= codes - {rule.code}


@cache
def _map(example: Example) -> GroupMap:
    """Built once: many wrong configs share a repaired one."""
    with TemporaryDirectory() as folder:
        return map_of(example, Path(folder))


def _findings(example: Example) -> tuple[Finding, ...]:
    return findings_of(_map(example), HERE)


def _by_code(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.code, []).append(finding)
    return found


def _named(path: str, parameters: Sequence[str]) -> list[str]:
    return [f"{path}.{name}" if path else name for name in parameters]
