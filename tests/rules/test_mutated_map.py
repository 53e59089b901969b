"""A correct map with one mistake: exactly the expected codes on weight decay, options and schedules are reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.training import Constructor, Loop, Training
from lrdecay_cli.rules import RULES, Example
from lrdecay_cli.rules.running import findings_of
from tests.rules.examples import map_of
from tests.work import unmeasured

CLEAN = """\
model = dict(
    backbone=dict(_delete_=True, type='VisionTransformer', img_size=32, patch_size=16, layer_scale_init_value=0.1,
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16)),
    head=dict(in_channels=8))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, begin=0, end=2),
    dict(type='CosineAnnealingLR', begin=2, end=12, T_max=10, eta_min=1e-7)]
optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict(
    _delete_=True, flat_decay_mult=0.0,
    custom_keys={'cls_token': dict(decay_mult=0.0), 'pos_embed': dict(decay_mult=0.0),
        'head.fc.weight': dict(lr_mult=10.0)}))
"""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> GroupMap:
    return map_of(Example(CLEAN), tmp_path_factory.mktemp("clean"))


def test_clean(clean: GroupMap) -> None:
    assert codes(clean) == set()


Mutation = Callable[[GroupMap], GroupMap]


def codes(group_map: GroupMap) -> set[str]:
    return {finding.code for finding in findings_of(group_map, [rule for rule in RULES if rule.code[3] in "456"])}


def decayed(*ends: str, by: float | None = 0.05) -> Mutation:
    """Change the weight decay of parameters with these suffixes."""

    def of_group(group: ParameterGroup) -> ParameterGroup:
        (parameter,) = group.parameters
        return msgspec.structs.replace(group, weight_decay=by) if parameter.name.endswith(ends) else group

    return lambda found: msgspec.structs.replace(found, groups=tuple(map(of_group, found.groups)))


def options(change: Callable[[dict[str, Any]], object]) -> Mutation:
    """Change the constructor's options, and record all as read."""

    def mutate(found: GroupMap) -> GroupMap:
        changed = msgspec.json.decode(msgspec.json.encode(found.constructor.options))
        change(changed)
        return msgspec.structs.replace(found, constructor=msgspec.structs.replace(found.constructor, options=changed))

    return mutate


def training(**changes: Any) -> Mutation:
    return lambda found: msgspec.structs.replace(found, training=msgspec.structs.replace(found.training, **changes))


def scheduler(index: int, **changes: Any) -> Mutation:
    """Change the settings of a scheduler."""

    def mutate(found: GroupMap) -> GroupMap:
        schedulers: list[Mapping[str, Any]] = [*found.training.param_scheduler]
        schedulers[index] = {**schedulers[index], **changes}
        return training(param_scheduler=tuple(schedulers))(found)

    return mutate


def unread(*names: str) -> Mutation:
    """Record these options as not read by the constructor."""
    return lambda found: training(reads=tuple(path for path in found.training.reads or () if path not in names))(found)


def both(*mutations: Mutation) -> Mutation:
    def mutate(found: GroupMap) -> GroupMap:
        for mutation in mutations:
            found = mutation(found)
        return found

    return mutate


def without_weight_decay(found: GroupMap) -> GroupMap:
    wrapper = {**found.training.optim_wrapper, "optimizer": {"type": "AdamW", "lr": 1e-4}}
    return training(optim_wrapper=wrapper)(decayed("qkv.weight", by=None)(found))


def warming_up(found: GroupMap) -> GroupMap:
    """Return the map of a running optimizer: schedulers have lowered the lr, and store the initial lr."""
    groups = (
        msgspec.structs.replace(group, lr=(group.lr or 0) * 1e-4, options={**group.options, "initial_lr": group.lr})
        for group in found.groups
    )
    return msgspec.structs.replace(found, groups=tuple(groups))


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    return lambda given: given.update({new: given.pop(old)})


def key_renamed(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    return lambda given: given["custom_keys"].update({new: given["custom_keys"].pop(old)})


MUTATIONS: dict[str, tuple[Mutation, set[str]]] = {
    "norms": (decayed("ln1.weight", "ln2.weight"), {"LRD401"}),
    "a single norm": (decayed("layers.1.ln2.bias"), {"LRD401"}),
    "biases": (decayed("qkv.bias"), {"LRD402"}),
    "positions": (decayed("pos_embed"), {"LRD403"}),
    "tokens": (decayed("cls_token"), {"LRD404"}),
    "gammas": (decayed("gamma1.weight", "gamma2.weight"), {"LRD405"}),
    "nothing": (decayed("", by=0.0), {"LRD407"}),
    "no backbone": (
        decayed("proj.weight", "qkv.weight", "0.0.weight", "1.weight", "projection.weight", by=0.0),
        {"LRD407"},
    ),
    "negative": (decayed("proj.weight", by=-1.0), {"LRD409"}),
    "none given": (without_weight_decay, {"LRD408", "LRD509"}),
    "never read": (unread("flat_decay_mult"), {"LRD501"}),
    "never read, inherited": (both(unread("flat_decay_mult"), training(inherited=("flat_decay_mult",))), {"LRD502"}),
    "option misspelt": (options(renamed("flat_decay_mult", "flat_decay_mul")), {"LRD503"}),
    "nobody watched": (both(options(renamed("flat_decay_mult", "flat_decay_mul")), training(reads=None)), set()),
    "setting misspelt": (
        options(lambda given: given["custom_keys"].update({"head.fc.weight": {"lr_mul": 10.0}})),
        {"LRD504"},
    ),
    "key elsewhere": (options(key_renamed("head.fc.weight", ".head.fc.weight")), {"LRD505"}),
    "key of equal parts": (
        options(lambda given: given["custom_keys"].update({"fc.weigh": {"lr_mult": 5.0}})),
        {"LRD506"},
    ),
    "key for a backbone's biases": (
        options(lambda given: given["custom_keys"].update({"backbone.": {"lr_mult": 0.1, "decay_mult": 1.0}})),
        {"LRD506", "LRD508"},
    ),
    "key of 1": (
        options(lambda given: given["custom_keys"].update({"head.fc.weight": {"lr_mult": 1.0}})),
        {"LRD509"},
    ),
    "misplaced": (training(misplaced={"paramwise_cfg": {"norm_decay_mult": 0.0}}), {"LRD510"}),
    "loop misspelt": (
        training(loops={"train_cfg": Loop("ValLoop", {"fp_16": True}, ("fp16",), (), False)}),
        {"LRD512"},
    ),
    "idle _delete_": (scheduler(1, _delete_=True), {"LRD513"}),
    "minimum above": (scheduler(1, eta_min=2e-4), {"LRD601"}),
    "warm-up of one": (scheduler(0, end=1), {"LRD602"}),
    "cut off": (scheduler(1, T_max=30, end=32), {"LRD603"}),
    "empty": (scheduler(1, end=2), {"LRD604"}),
    "warm-up without an end": (scheduler(0, end=100), {"LRD605"}),
    "used up": (scheduler(1, T_max=7, end=9), {"LRD606"}),
    "evened out": (scheduler(1, eta_min=5e-5), {"LRD607"}),
    "iterations": (scheduler(1, by_epoch=False), {"LRD608"}),
    "rises again": (scheduler(1, T_max=5), {"LRD609"}),
    "in a warm-up": (warming_up, set()),
    "grows": (scheduler(1, type="ExponentialLR", gamma=10.0, T_max=None), {"LRD604", "LRD611"}),
    "does nothing": (scheduler(0, start_factor=1.0), {"LRD610"}),
}


@pytest.mark.parametrize(("mutation", "expected"), MUTATIONS.values(), ids=MUTATIONS)
def test_mutation(clean: GroupMap, mutation: Mutation, expected: set[str]) -> None:
    assert codes(mutation(clean)) == expected


def test_each_rule_is_mutated() -> None:
    mutated = {code for _, expected in MUTATIONS.values() for code in expected}
    # These need another model or constructor (test_wild_settings.py), or a live optimizer (tests/api).
    elsewhere = {"LRD406", "LRD507", "LRD511", "LRD612", "LRD613", "LRD614"}
    assert mutated | elsewhere == {rule.code for rule in RULES if rule.code[3] in "456"}


JUNK: tuple[Any, ...] = (None, "x", "0", -1, 0, 1.5, True, [], {}, [1, "x", None], {"a": 1}, {"lr_mult": "x"}, 1e300)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Yield the paths of all entries in plain values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return the plain values with another value at one path."""
    if not path:
        return other
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], other)
    return copied


def test_junk_in_a_config_raises_no_traceback(clean: GroupMap) -> None:
    """Values of a config may have any type: rules report nothing instead of failing."""
    plain = {
        part: msgspec.json.decode(msgspec.json.encode(getattr(clean, part))) for part in ("constructor", "training")
    }
    plain["training"]["param_scheduler"] += [
        {"type": "MultiStepLR", "milestones": [3], "gamma": 0.1, "end": 12},
        {"type": "OneCycleLR", "eta_max": 0.1, "total_steps": 12},
        {"type": "PolyLR", "power": 1, "eta_min": 1e-6},
        {"type": "ConstantLR", "factor": 0.5},
    ]
    plain["training"]["misplaced"] = {"paramwise_cfg": {"custom_keys": {}}}
    plain["constructor"]["options"].update(norm_decay_mult=0.5, bias_lr_mult=2.0, no_decay_names=["x"], decay_rate=0.7)
    # A second layer has the same kinds of parameters as the first.
    whole = msgspec.structs.replace(
        clean,
        groups=tuple(g for g in clean.groups if not g.parameters[0].name.startswith("backbone.layers.1.")),
        constructor=msgspec.convert(plain["constructor"], Constructor),
        training=msgspec.convert(plain["training"], Training),
    )
    tried = 0
    for part, inner in (("constructor", "options"), *(("training", inner) for inner in plain["training"])):
        for place in places(plain[part][inner]):
            for junk in JUNK:
                try:
                    broken = msgspec.convert(replaced(plain[part], (inner, *place), junk), type(getattr(clean, part)))
                except msgspec.ValidationError:
                    continue  # No map contains this.
                with unmeasured(after=tried):
                    codes(msgspec.structs.replace(whole, **{part: broken}))
                tried += 1
    assert tried > 500
