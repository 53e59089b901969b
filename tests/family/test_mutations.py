"""Compare lrdecay's formulas with recorded groups of real decay constructors, and with the constructors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.selection import select
from lrdecay_cli.analysis.verification import with_original
from lrdecay_cli.constructors import CONSTRUCTORS, PUBLISHED, constructor_of
from lrdecay_cli.constructors.recomputation import rules_of, tensors_met, with_provenance
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Constructor, Model, Totals, Training
from lrdecay_cli.openmmlab.model_modules import modules_of
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.family.mutations import LR, MODELS, RECORDED, SUBJECTS, WEIGHT_DECAY, Shapes, load, options_of, run
from tests.family.named_tensors import LAYERS, layer_shapes, model_of
from tests.group_maps import group_map
from tests.recomputing import assert_explained, assert_recomputes

ROWS: dict[str, list[dict[str, Any]]] = json.loads(RECORDED.read_text())
OTHERS = {
    "mmyolo_yolov5",
    "mmyolo_yolov7",
    "mmaction_swin",
    "mmaction_tsm",
    "mmengine",
    "mmpose_forced",
    "mmseg_forced",
}
"""Constructors that read the modules themselves, or use keys as options."""
KEYS = pytest.mark.parametrize("key", SUBJECTS)
MINE = "mine.optimizers.copied"


def map_of(key: str, backbone: str, shapes: Shapes, options: Mapping[str, Any], made: Any, module: str) -> GroupMap:
    """Return a map of these groups; if the constructor raised, the map has no groups."""
    names, groups = list(shapes), {}
    for number, (own, lr, lr_scale, weight_decay, places) in enumerate(made if isinstance(made, list) else []):
        name = own or f"group_{number}"
        layer = re.fullmatch(r"layer_(-?\d+)_(?:no_)?decay(?:_[\w.]+)?", name)
        groups[name] = {
            "layer_id": int(layer[1]) if layer else None,
            "lr": lr,
            "lr_scale": lr_scale,
            "weight_decay": weight_decay,
            "parameters": {names[place]: shapes[names[place]] for place in places},
        }
    optimizer = {"type": "AdamW", "lr": LR, "weight_decay": WEIGHT_DECAY, **SUBJECTS[key].optimizer}
    return group_map(
        groups,
        missing={
            name: shapes[name] for name in names if not any(name in each["parameters"] for each in groups.values())
        },
        modules=modules_of(model_of(backbone, shapes)),
        base_lr=LR,
        base_weight_decay=WEIGHT_DECAY,
        constructor=Constructor(SUBJECTS[key].source.rpartition(":")[2], options, module),
        model=Model("Detector", backbone, Totals(0, 0, 0, 0, 0, 0, 0, 0, 0)),
        training=Training({"optimizer": optimizer}, (), {}, {}, None, ()),
    )


def recorded(key: str, row: dict[str, Any], module: str) -> GroupMap:
    backbone, shapes = MODELS[row["model"]]
    return map_of(key, backbone, shapes, row["options"], row["made"], module)


def module_of(key: str) -> str:
    return SUBJECTS[key].source.partition(":")[0] or MINE


def original(key: str) -> GroupMap:
    """Return a map with the constructor of the subject, without groups that would identify a copy."""
    found = recorded(key, {**ROWS[key][0], "made": ""}, module_of(key))
    return msgspec.structs.replace(
        found, constructor=msgspec.structs.replace(found.constructor, copy_of=SUBJECTS[key].spec)
    )


def refuses(group_map: GroupMap) -> bool:
    """Return True if lrdecay's rules have no numbers for a tensor of the map, or for the whole map."""
    tensors = tensors_met(group_map)
    try:
        rules = rules_of(group_map, tensors)
        assert rules is not None
        for tensor in tensors:
            rules.provenance(tensor)
    except DecayError:
        return True
    return False


def test_every_constructor_of_the_family_is_tried() -> None:
    # Other tests cover lrdecay's own constructor, and maps/ has those of several optimizers.
    decaying = {
        spec.short
        for spec in (*PUBLISHED, *CONSTRUCTORS)
        if spec.make_rules and spec.short and spec.package not in ("mmagic", "mmrazor")
    }
    # mmpretrain's reads a real model: tests/constructors and tests/decay.
    assert {subject.spec for subject in SUBJECTS.values()} == decaying - {"mmpretrain layer decay"}
    assert {*ROWS} == {*SUBJECTS}


@KEYS
def test_each_mutation_is_recomputed(key: str) -> None:
    """lrdecay recognises a package's constructor by its class, and a published one by its groups, in any file."""
    for row in ROWS[key]:
        read = recorded(key, row, module_of(key))
        if isinstance(row["made"], str) and key in OTHERS:
            continue  # Their own errors name the cause.
        if isinstance(row["made"], str):
            assert refuses(
                msgspec.structs.replace(
                    read, constructor=msgspec.structs.replace(read.constructor, copy_of=SUBJECTS[key].spec)
                )
            ), row["options"]
            continue
        group_map = with_original(with_provenance(read, None))
        assert constructor_of(group_map).short == SUBJECTS[key].spec, row["options"]
        assert_recomputes(group_map)
        assert_explained(group_map)


@pytest.mark.parametrize("key", [key for key in SUBJECTS if key not in OTHERS])
def test_a_copy_is_known_until_a_number_differs(key: str) -> None:
    for row in ROWS[key]:
        if isinstance(row["made"], str):
            continue
        copied = with_original(recorded(key, row, MINE))
        assert (constructor_of(copied).known, constructor_of(copied).package) == (True, "mine")
        changed = json.loads(json.dumps(row))
        changed["made"][-1][1] += 1e-12
        edited = recorded(key, changed, MINE)
        assert with_original(edited) is edited
        assert not constructor_of(edited).known


def test_another_name_is_not_tried() -> None:
    found = recorded("vitdet", ROWS["vitdet"][0], MINE)
    other = msgspec.structs.replace(found, constructor=Constructor("Decay", found.constructor.options, MINE))
    assert with_original(other) is other


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        ("internimage_detection", "backbone.levels.1.blocks.1.dcn.offset.weight", ("offset_lr_scale has no effect",)),
        ("internimage_detection", "bbox_head.encoder.0.attn.sampling_offsets.weight", ()),
        ("internimage_segmentation", "decode_head.query_feat.weight", ("the parameter is outside the backbone, but",)),
        ("eva_01", "decode_head.query_feat.weight", ("the parameter is outside the backbone, but",)),
        ("eva_02", "decode_head.query_feat.weight", ()),
    ],
)
def test_traps_are_reported(key: str, name: str, expected: tuple[str, ...]) -> None:
    group_map = with_original(recorded(key, ROWS[key][0], MINE))
    (found,) = Explainer(group_map).explain(select(group_map, name))
    assert len(found.remarks) == len(expected)
    assert all(map(str.startswith, found.remarks, expected))


def test_new_modules_of_an_adapter_may_train_with_the_head() -> None:
    group_map = with_original(recorded("vit_adapter_detection", ROWS["vit_adapter_detection"][0], MINE))
    rules = [rule for rule in RULES if rule.code == "LRD201"]
    (found,) = findings_of(group_map, rules)
    assert found.parameters == ("backbone.norm.weight",)
    plain = msgspec.structs.replace(group_map, model=msgspec.structs.replace(group_map.model, backbone="ViT"))
    # Also for a backbone with any other name.
    assert not any(
        "spm" in name or "level_embed" in name for each in findings_of(plain, rules) for name in each.parameters
    )


# With the constructors themselves, if they are installed.
INSTALLED = [key for key in SUBJECTS if load(key)]
PARTS = (
    *("backbone", "decode_head", "neck", "layers", "blocks", "levels", "stages", "downsample_layers", "downsample"),
    *("norm", "norm3", "patch_embed", "pos_embed", "cls_token", "level_embeds", "query_feat", "sampling_offsets"),
    *("visual_embed", "reduction", "dwconv", "weight", "bias", "0", "1", "2", "3", "7"),
)
# Names unchanged, or with a part moved.
NAMES = st.one_of(
    st.sampled_from(sorted({name for key, (_, shapes) in MODELS.items() if "layers" not in key for name in shapes})),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map(".".join),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map(lambda parts: ".".join(("backbone", *parts))),
)
RATE = st.one_of(st.floats(0.05, 1.5), st.sampled_from([0, 1, 2]))
OPTIONS = st.fixed_dictionaries(
    {"num_layers": st.integers(0, 30)},
    optional={
        "decay_rate": RATE,
        "layer_decay_rate": RATE,
        "decay_type": st.sampled_from(["layer_wise", "stage_wise"]),
        "depths": st.lists(st.integers(1, 6), min_size=4, max_size=4),
        "offset_lr_scale": RATE,
        "dw_scale": RATE,
        "dino_head": st.booleans(),
        "backbone_small_lr": st.booleans(),
        "custom_keys": st.dictionaries(
            st.sampled_from(PARTS), st.fixed_dictionaries({}, optional={"decay_mult": RATE}), max_size=3
        ),
    },
)


@st.composite
def tensors(draw: st.DrawFn) -> Shapes:
    """Draw names with shapes; no name is a module of another."""
    names = draw(st.lists(NAMES, min_size=1, max_size=12, unique=True))
    leaves = [name for name in names if name != "backbone" and not any(each.startswith(f"{name}.") for each in names)]
    return {name: draw(st.sampled_from([(2,), (2, 3), (1, 2, 2)])) for name in leaves}


@st.composite
def layers(draw: st.DrawFn) -> Shapes:
    """Draw real layers in any order."""
    places = st.tuples(st.sampled_from(["backbone", "backbone.stages.1", "neck", "head"]), st.sampled_from([*LAYERS]))
    paths = draw(st.lists(places.map(".".join), min_size=1, max_size=8, unique=True))
    return layer_shapes(*sorted(paths, key=lambda path: path.split(".")[0]))


@pytest.mark.parametrize("key", [key for key in INSTALLED if key in OTHERS])
@settings(max_examples=25)
@given(data=st.data(), shapes=layers())
def test_the_real_constructor_matches_the_rules_on_layers(key: str, data: st.DataObject, shapes: Shapes) -> None:
    options = data.draw(st.sampled_from(list(options_of(SUBJECTS[key]))))
    constructor = load(key)
    assert constructor is not None
    order = {name: tuple(each.shape) for name, each in model_of("CSPNet", shapes).named_parameters()}
    made = run(constructor, "CSPNet", order, options, SUBJECTS[key].optimizer)
    found = map_of(key, "CSPNet", order, options, made, module_of(key))
    if not isinstance(made, str):
        assert_recomputes(with_provenance(found, None))


def _beside(whole: Shapes, shapes: Shapes) -> Shapes:
    """Return the tensors that are in no row of blocks, and can be in one model with ``whole``."""
    rows = ("backbone.layers", "backbone.stages")
    return {
        name: shape
        for name, shape in shapes.items()
        if not name.startswith((*rows, *(f"{each}." for each in whole)))
        and not any(f"{each}.".startswith(f"{name}.") for each in whole)
    }


@pytest.mark.parametrize("key", [key for key in INSTALLED if key not in OTHERS])
@settings(max_examples=25)
@given(data=st.data(), shapes=tensors(), options=OPTIONS)
def test_the_real_constructor_matches_the_rules(
    key: str, data: st.DataObject, shapes: Shapes, options: dict[str, Any]
) -> None:
    backbone, whole = MODELS[data.draw(st.sampled_from(SUBJECTS[key].models))]
    if key.startswith("mmselfsup"):  # This constructor reads the depth of the backbone.
        shapes = {**whole, **_beside(whole, shapes)}
    constructor = load(key)
    assert constructor is not None
    made = run(constructor, backbone, shapes, options, SUBJECTS[key].optimizer)
    # The model's own order, which its modules define.
    found = map_of(key, backbone, shapes, options, made, module_of(key))
    known = msgspec.structs.replace(
        found, constructor=msgspec.structs.replace(found.constructor, copy_of=SUBJECTS[key].spec)
    )
    if isinstance(made, str):
        assert refuses(known) or not shapes, made
        return
    assert_recomputes(with_provenance(known, None))
