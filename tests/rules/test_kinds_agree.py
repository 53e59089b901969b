"""lrdecay's constructor and the rules about weight decay classify every parameter in the same way."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.decay.kinds_table import ROWS

DECAYED = [rule for rule in RULES if "LRD401" <= rule.code <= "LRD405"]
SLOW = [rule for rule in RULES if rule.code == "LRD201"]
OURS = "constructor='LayerDecayOptimWrapperConstructor', paramwise_cfg=dict({}decay_rate=0.7{})"
BLAMED = {"norm", "bias", "position", "relative-position", "token", "layer-scale"}


def map_of(folder: Path, wrapper: str, head: str) -> GroupMap:
    config = folder / "config.py"
    config.write_text(
        f"{head}\noptim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05), {wrapper})\n",
        encoding="utf-8",
    )
    return audit(str(config), device="meta")


EVERY_KIND = (
    "default_scope = 'mmengine'\n"
    "custom_imports = dict(imports=['lrdecay_cli.training', 'tests.rules.kinds_model'])\n"
    "model = dict(type='PublishedKinds')"
)


def test_our_constructor_exempts_kinds_that_the_rules_report(tmp_path: Path) -> None:
    ours = map_of(tmp_path, OURS.format("", ", layers=['stem', 'blocks']"), EVERY_KIND)
    assert findings_of(ours, DECAYED) == ()
    exempt = {tensor.name for tensor in ours.tensors() if tensor.group and tensor.group.weight_decay == 0}
    names = {f"row{number}.{row.name}": row for number, row in enumerate(ROWS)}
    assert exempt & names.keys() == {name for name, row in names.items() if row.exempt == "yes"}
    theirs = map_of(tmp_path, "constructor='DefaultOptimWrapperConstructor'", EVERY_KIND)
    blamed = {name for finding in findings_of(theirs, DECAYED) for name in finding.parameters}
    assert blamed & names.keys() == {name for name, row in names.items() if row.kind in BLAMED}
    assert blamed & names.keys() <= exempt


BACKBONES = sorted(
    {
        row.source
        for row in ROWS
        if row.source.startswith("mmpretrain::")
        and any(known in row.source for known in ("swin", "beit", "convnext_v2", "deit", "hivit", "eva02", "mae/"))
    }
)


@pytest.mark.parametrize("base", BACKBONES)
def test_the_rules_are_silent_on_our_groups_of_published_models(base: str, tmp_path: Path) -> None:
    head = f"_base_ = {base!r}\ncustom_imports = dict(imports=['lrdecay_cli.training'])"
    ours = map_of(tmp_path, OURS.format("_delete_=True, ", ""), head)
    assert findings_of(ours, [*DECAYED, *SLOW]) == ()
