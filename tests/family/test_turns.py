"""Optimizers that are stepped one at a time: mmagic's PGGAN has one per resolution, and a tensor is in a group of each.

The map was recorded from the real constructor, and equals plain mmengine's groups (``record.py``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.explaining.report import explanation
from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.constructors.recomputation import with_provenance
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.scan import record_of
from lrdecay_cli.domain.settings import Settings
from lrdecay_cli.files.map_file import read_map
from lrdecay_cli.files.settings_file import parse_settings
from lrdecay_cli.formats.html_page.map_parts import data, parameters
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.context.policy import Policy
from lrdecay_cli.rules.context.rule_context import RuleContext
from lrdecay_cli.rules.running import findings_of

PGGAN = Path(__file__).parent / "maps" / "mmagic_pggan.json"
TENSOR = "generator.noise2feat.bias"
SCALES = (4, 8, 16, 32, 64, 128)


@pytest.fixture(scope="module")
def pggan() -> GroupMap:
    return with_provenance(read_map(str(PGGAN)), None)


def test_a_tensor_is_once_in_a_group_of_each(pggan: GroupMap) -> None:
    (tensor,) = [tensor for tensor in pggan.tensors() if tensor.name == TENSOR]
    assert (tensor.state, tensor.times) == ("grouped", 1)
    groups = [(each.group.name, each.group.lr) for each in tensor.in_groups() if each.group]
    assert groups == [(f"generator_{scale}.group_0", 0.0015 if scale == 128 else 0.001) for scale in SCALES]
    totals = pggan.model.totals
    assert (totals.grouped_tensors, totals.missing_tensors, totals.duplicate_names) == (74, 0, 0)
    assert len(pggan.memberships()) == totals.tensors + 5 * totals.grouped_tensors


def test_optimizers_that_step_together_share_a_tensor_too_often(pggan: GroupMap) -> None:
    """The same map without the field describes a model that steps all optimizers together."""
    assert "LRD102" not in {found.code for found in findings_of(pggan, RULES)}
    together = with_optimizer(pggan, turns=msgspec.UNSET)
    (found,) = [found for found in findings_of(together, RULES) if found.code == "LRD102"]
    assert found.message == "74 tensors are in groups up to 6 times, so each step updates them up to 6 times"
    by_part = with_optimizer(pggan, turns=(("generator_4", "generator_8"), *(pggan.optimizer.turns or ())[1:]))
    (found,) = [found for found in findings_of(by_part, RULES) if found.code == "LRD102"]
    assert found.message == "36 tensors are in groups up to 5 times, so each step updates them up to 5 times"


def with_optimizer(group_map: GroupMap, **changed: object) -> GroupMap:
    return msgspec.structs.replace(group_map, optimizer=msgspec.structs.replace(group_map.optimizer, **changed))


def with_lr(group_map: GroupMap, optimizer: str, lr: float) -> GroupMap:
    groups = [
        msgspec.structs.replace(group, lr=lr) if group.optimizer == optimizer else group for group in group_map.groups
    ]
    return msgspec.structs.replace(group_map, groups=tuple(groups))


def test_diff_names_the_optimizer(pggan: GroupMap) -> None:
    changes = [*diff(pggan, with_lr(pggan, "generator_128", 0.002))]
    assert len(changes) == 36
    assert {(change.aspect, repr(change.before), repr(change.after)) for change in changes} == {
        ("lr", "{'generator_128': 0.0015}", "{'generator_128': 0.002}")
    }
    fewer = msgspec.structs.replace(
        pggan, groups=tuple(group for group in pggan.groups if group.optimizer != "generator_64")
    )
    assert {(change.aspect, repr(change.before), repr(change.after)) for change in diff(pggan, fewer)} == {
        ("group", "{'generator_64': 'generator_64.group_*'}", "{}")
    }
    assert [*diff(pggan, pggan)] == []


def test_explain_has_each_turn_once(pggan: GroupMap) -> None:
    result = explanation(pggan, [TENSOR])
    explained = [
        (len(each.groups), each.numbers and each.numbers.lr, each.certainty) for each in result.document.explanations
    ]
    assert explained == [(5, 0.001, "recomputed"), (1, 0.0015, "recomputed")]
    assert result.document.explanations[1].provenance is not None
    assert result.document.explanations[1].provenance.lr.rule == "lr_schedule['generator']['128']"
    assert result.report.summary == "1 tensor explained: 1 recomputed"
    assert result.report.rows is not None
    assert [(row[0], row[2], row[5]) for row in result.report.rows.rows] == [
        (TENSOR, f"generator_{scale}.group_0", 0.0015 if scale == 128 else 0.001) for scale in SCALES
    ]
    # A group's name selects only its optimizer.
    (of_one_turn,) = explanation(pggan, ["generator_128.group_0"]).document.explanations[:1]
    assert of_one_turn.groups == ("generator_128.group_0",)
    with pytest.raises(LrdecayError, match="all parameters that match the pattern are already in generator_64"):
        explanation(pggan, [], unlike=TENSOR, group="generator_64.group_0")


@pytest.mark.parametrize(
    ("by", "shown"),
    [("group", {(0.001, 74), (0.0015, 74)}), ("layer", {(0.001, 74), (0.0015, 74)})],
)
def test_inspect_counts_a_tensor_once(pggan: GroupMap, by: str, shown: set[tuple[float, int]]) -> None:
    report = inspection(pggan, by=by).report
    (table,) = report.tables
    place = {column.key: index for index, column in enumerate(table.columns)}
    assert {(row[place["lr"]], row[place["tensors"]]) for row in table.rows} == shown
    assert dict(report.facts)["take turns"].startswith("generator_4 … generator_128 (6); ")
    assert "12 groups with 74 of 110 tensors" in report.summary


def test_modules_show_the_lrs_side_by_side(pggan: GroupMap) -> None:
    (table,) = inspection(pggan, by="module").report.tables
    assert [(row[0].path, row[1]) for row in table.rows] == [
        ("(model)", "mixed"),
        ("generator", "0.001 / 0.0015"),
        ("discriminator", "0.001 / 0.0015"),
        ("generator_ema", "frozen"),
    ]


def test_html_has_a_row_for_each_turn(pggan: GroupMap) -> None:
    result = inspection(pggan, by="group")
    rows = data(result)
    assert rows["names"].count(TENSOR) == 6
    assert len(rows["names"]) == parameters(result)["names"] == 110 + 5 * 74
    indices = [rows["group"][index] for index, name in enumerate(rows["names"]) if name == TENSOR]
    assert [rows["groups"][number]["lr"] for number in indices] == [0.001] * 5 + [0.0015]


def test_scan_counts_frozen_tensors_once(pggan: GroupMap) -> None:
    groups = [
        msgspec.structs.replace(
            group, parameters=tuple(msgspec.structs.replace(p, requires_grad=False) for p in group.parameters)
        )
        for group in pggan.groups
    ]
    frozen = msgspec.structs.replace(pggan, groups=tuple(groups))
    assert (record_of("c.py", pggan).frozen, record_of("c.py", frozen).frozen) == (36, 110)
    assert (record_of("c.py", pggan).lr_min, record_of("c.py", pggan).lr_max) == (0.001, 0.0015)


def asserted(group_map: GroupMap, condition: str) -> tuple[Finding, ...]:
    settings = parse_settings(f'[[assert]]\nparameters = "{TENSOR}"\nlr = "{condition}"\n'.encode(), "lrdecay.toml")
    policy = Policy(assertions=(settings or Settings()).assertions)
    return tuple(found for found in findings_of(RuleContext(group_map, policy), RULES) if found.code == "LRD702")


def test_an_assertion_checks_every_turn(pggan: GroupMap) -> None:
    assert not asserted(pggan, "<= 0.0015")
    (found,) = asserted(pggan, "<= 0.001")
    assert "it is 0.0015" in found.message


def test_lr_zero_in_one_turn(pggan: GroupMap) -> None:
    (found,) = [f for f in findings_of(with_lr(pggan, "generator_128", 0.0), RULES) if f.code == "LRD104"]
    assert found.message.startswith("36 trainable tensors with 22,933,394 parameters have lr 0")


def encoded(group_map: GroupMap, tmp_path: Path) -> str:
    file = tmp_path / "map.json"
    file.write_bytes(msgspec.json.encode(group_map))
    return str(file)


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lambda m: with_optimizer(m, turns=msgspec.UNSET), r"\$\.groups\[1\]\.parameters\[0\]\.name"),
        (lambda m: msgspec.structs.replace(m, groups=(*m.groups, repeated(m))), r"\$\.groups\[12\]\.parameters\[0\]"),
    ],
    ids=["no turns", "twice in one turn"],
)
def test_turns_of_a_map_file_are_validated(
    pggan: GroupMap, tmp_path: Path, damage: Callable[[GroupMap], GroupMap], where: str
) -> None:
    assert read_map(encoded(pggan, tmp_path)) == pggan
    with pytest.raises(LrdecayError, match=where):
        read_map(encoded(damage(pggan), tmp_path))


def repeated(group_map: GroupMap) -> object:
    return msgspec.structs.replace(group_map.groups[0], name="again")


def test_csv_has_a_row_for_each_turn(pggan: GroupMap) -> None:
    from lrdecay_cli.formats import Canvas
    from lrdecay_cli.formats.data import csv_rows

    report = inspection(pggan, by="parameter").report
    rows = [*csv.DictReader(io.StringIO(csv_rows(report, Canvas())))]
    assert [row["lr"] for row in rows if row["name"] == TENSOR] == ["0.001"] * 5 + ["0.0015"]
