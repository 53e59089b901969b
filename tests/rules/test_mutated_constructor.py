"""One mistake in a correct config: the rules on coverage, layers and rates report it once."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import pytest

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Checkpoint
from lrdecay_cli.rules import RULES, Example
from lrdecay_cli.rules.running import findings_of
from tests.rules.examples import built
from tests.rules.layer_configs import COVERAGE_LAYERS_AND_RATES, convnext, findings_in, plain_decay, wrapped

MUTATIONS: dict[str, tuple[Example, set[str]]] = {
    "num_layers one too small": (plain_decay(3), {"LRD203"}),
    "num_layers too small": (plain_decay(2), {"LRD301"}),
    "num_layers too large": (plain_decay(9), {"LRD203"}),
    "head too high": (plain_decay(head=2), {"LRD204"}),
    "head with the last block": (plain_decay(head=0), {"LRD205"}),
    "stem below 0": (plain_decay(stem=-1), {"LRD202"}),
    "block with the head": (plain_decay(ids=dict(b3=5)), {"LRD205"}),
    "blocks swapped": (plain_decay(ids=dict(b0=2, b1=1)), {"LRD205"}),
    "blocks reversed": (plain_decay(ids=dict(b0=4, b1=3, b2=2, b3=1)), {"LRD205"}),
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
def test_one_mistake_is_reported_once(mutation: str) -> None:
    example, codes = MUTATIONS[mutation]
    findings = findings_in(example)
    assert {finding.code for finding in findings} == codes, [finding.message for finding in findings]
    assert len(findings) == len(codes)


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
    ("base", "edit", "codes", "message"),
    [
        (
            plain_decay(),
            _fewer_tensors,
            {"LRD105"},
            "totals do not add up: the total of tensors is 3, but the map lists",
        ),
        (plain_decay(), _without_the_last_group, {"LRD105"}, "of the model neither in a group nor as frozen"),
        (plain_decay(), _another_parameter, {"LRD105"}, "1 tensor of the map belongs to no module of the model"),
        (plain_decay(), _rate_of_the_first_group(math.nan), {"LRD306"}, "1 group has lr nan"),
        (plain_decay(), _rate_of_the_first_group(0.5), {"LRD304", "LRD309"}, "1 × 0.0001 is 0.0001"),
        (convnext([1, 1, 9, 1]), _rate_of_the_first_group(0.5), {"LRD209"}, "lrdecay's rules give"),
    ],
    ids=["totals", "group-gone", "parameter-renamed", "nan", "lr", "lr-explained"],
)
def test_edited_maps(base: Example, edit: Callable[[GroupMap], GroupMap], codes: set[str], message: str) -> None:
    found = findings_of(edit(built(base)), COVERAGE_LAYERS_AND_RATES)
    assert {finding.code for finding in found} == codes
    assert any(message in finding.message for finding in found), [finding.message for finding in found]


@pytest.mark.parametrize("mistake", ["none", "num_layers too small", "stem below 0", "block with the head", "rate 1"])
def test_checkpoints_are_checked_by_their_initial_lrs(mistake: str) -> None:
    example, codes = MUTATIONS.get(mistake, (plain_decay(), set()))
    group_map = built(example)
    # The map at the end of a training, read without its config.
    groups = tuple(msgspec.structs.replace(group, lr=0.0) for group in group_map.groups)
    saved = Checkpoint(12, 9000, None, "recorded", None, None, 0)
    at_the_end = msgspec.structs.replace(group_map, groups=groups, modules={}, checkpoint=saved)
    assert {finding.code for finding in findings_of(at_the_end, COVERAGE_LAYERS_AND_RATES)} == codes


def test_a_yielding_rule_fires_if_the_other_rule_does_not_run() -> None:
    group_map = built(convnext([3, 3, 27, 3]))
    for prefix, code in (("LRD", "LRD301"), ("LRD2", "LRD203"), ("LRD202", "LRD202"), ("LRD205", "LRD205")):
        chosen = [rule for rule in COVERAGE_LAYERS_AND_RATES if rule.code.startswith(prefix)]
        assert [finding.code for finding in findings_of(group_map, chosen) if finding.severity != "info"] == [code]


def test_causes_that_rules_yield_to_exist() -> None:
    codes = {rule.code for rule in RULES}
    for rule in RULES:
        assert set(rule.yields_to) <= codes - {rule.code}
