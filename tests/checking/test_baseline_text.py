"""The text form of baselines: equal if all reviewed facts are equal, and with the same findings as the whole map."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lrdecay_cli
from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.comparing.settings import settings as settings_changed
from lrdecay_cli.checking.baseline_reading import apply_baseline
from lrdecay_cli.checking.baseline_text import parse_text, to_text
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import ConfigSource, GroupMap
from lrdecay_cli.domain.precision import CLOSE
from lrdecay_cli.domain.training import Batch, Constructor, Optimizer
from tests.checking.maps import decay_map, write
from tests.commands.running import lrdecay
from tests.group_maps import group_map

NAMES = ["backbone.0.weight", "backbone.0.bias", "backbone.1.weight", "neck.a b", 'neck."q"', "head.*", "-", "é", "#x"]
NUMBERS = st.sampled_from([None, 0.0, 0.05, 0.1, 1.0, 2, 1e-7, 0.3 * 0.1, 1 / 3])


@st.composite
def maps(draw: st.DrawFn) -> GroupMap:
    """Use few names and numbers, so that two maps are often nearly equal."""
    names = draw(st.permutations(NAMES))
    shapes = {name: draw(st.sampled_from([(4,), (2, 3), ()])) for name in names}
    cuts = sorted(draw(st.lists(st.integers(0, len(names)), min_size=4, max_size=4)))
    parts = [names[start:end] for start, end in zip([0, *cuts], [*cuts, len(names)], strict=True)]
    groups: dict[str, Any] = {}
    for label, members in zip(
        draw(st.sampled_from([("a", "group_1"), ("-", "x y"), ("o.group_0", "=")])), parts, strict=False
    ):
        groups[label] = {
            "layer_id": draw(st.sampled_from([None, 0, 11])),
            "lr": draw(NUMBERS),
            "lr_scale": draw(NUMBERS),
            "weight_decay": draw(NUMBERS),
            "options": draw(st.sampled_from([{}, {"eps": 1e-8}, {"betas": [0.9, 0.99], "group_name": "a"}])),
            "parameters": {name: shapes[name] for name in members},
            "no_grad": tuple(members[: draw(st.integers(0, 1))]),
        }
    first = next((name for members in parts[:2] for name in members), None)
    return group_map(
        groups,
        frozen={name: shapes[name] for name in parts[2]},
        missing={name: shapes[name] for name in parts[3]},
        duplicates=dict.fromkeys(parts[4], first) if first else {},
        base_lr=draw(NUMBERS),
        base_weight_decay=draw(NUMBERS),
        batch=draw(st.sampled_from([msgspec.UNSET, Batch(8, True, 2, 16, 1.5), Batch(1, False, None)])),
        constructor=Constructor(
            "C", draw(st.sampled_from([{}, {"decay_rate": 0.7}, {"custom_keys": {"a b": {"x": 1}}}]))
        ),
        optimizer=Optimizer(draw(st.sampled_from(["AdamW", "SGD"])), "OptimWrapper", {}),
    )


def mutated(draw: st.DrawFn, found: GroupMap) -> GroupMap:
    """Return the map with one change, or unchanged."""
    groups = list(found.groups)
    index = draw(st.integers(0, max(0, len(groups) - 1)))
    change = draw(
        st.sampled_from(["nothing", "lr", "lr_scale", "weight_decay", "layer_id", "shape", "name", "base_lr", "path"])
    )
    replace = msgspec.structs.replace
    if change in ("lr", "lr_scale", "weight_decay") and groups:
        groups[index] = replace(groups[index], **{change: draw(NUMBERS)})
    elif change == "layer_id" and groups:
        groups[index] = replace(groups[index], layer_id=3)
    elif change in ("shape", "name") and groups and groups[index].parameters:
        first, *rest = groups[index].parameters
        other = {"shape": (9,), "numel": 9} if change == "shape" else {"name": "renamed.weight"}
        groups[index] = replace(groups[index], parameters=(replace(first, **other), *rest))
    elif change == "base_lr":
        return replace(found, base_lr=draw(NUMBERS))
    elif change == "path":
        return replace(found, config=ConfigSource(found.config.path, "1" * 64, {}))
    return replace(found, groups=tuple(groups))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[GroupMap, GroupMap]:
    first = draw(maps())
    return first, draw(maps()) if draw(st.booleans()) else mutated(draw, first)


def differs(before: GroupMap, after: GroupMap) -> bool:
    """Return whether ``check`` and ``baseline`` report a difference, from two whole maps."""
    return bool(list(diff(before, after, rtol=CLOSE)) or settings_changed(before, after))


@settings(deadline=None, max_examples=300)
@given(pairs())
def test_texts_are_equal_where_the_maps_are(pair: tuple[GroupMap, GroupMap]) -> None:
    """Two texts are equal if ``check`` reports no difference between the two whole maps."""
    before, after = pair
    laid = apply_baseline(parse_text(to_text(before).encode(), "a.txt"), after)
    assert (bool(laid.others) or differs(laid.group_map, after)) is differs(before, after)
    # The text contains the order of the optimizer's groups, but no command compares it.
    assert (sorted(to_text(before).splitlines()) == sorted(to_text(after).splitlines())) or differs(before, after)


def test_a_text_changes_in_few_lines(tmp_path: Path) -> None:
    """Twelve configs, and two numbers of their base: each baseline has one line for each number."""
    texts = []
    for lr, decay_rate in ((0.1, 0.7), (0.2, 0.65)):
        found = decay_map(lr=lr)
        options = {**found.constructor.options, "decay_rate": decay_rate}
        texts.append(to_text(msgspec.structs.replace(found, constructor=Constructor("C", options))).splitlines())
    changed = {after for before, after in zip(*texts, strict=True) if before != after}
    assert changed == {"base_lr = 0.2", "constructor.options.decay_rate = 0.65"}


def test_another_rate_changes_the_lines_of_groups_alone() -> None:
    """The lines of a group's tensors do not repeat the numbers of the group."""
    found = decay_map()
    slower = tuple(
        msgspec.structs.replace(group, lr=group.lr * 0.5, lr_scale=group.lr_scale * 0.5, weight_decay=0.01)
        for group in found.groups
    )
    before, after = (to_text(each).splitlines() for each in (found, msgspec.structs.replace(found, groups=slower)))
    changed = [line for line, other in zip(before, after, strict=True) if line != other]
    assert len(changed) == len(found.groups)
    assert not any(line.startswith(" ") for line in changed)


GOOD = to_text(decay_map())
ROW = next(line for line in GOOD.splitlines() if "head.weight" in line)
WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "conflict": (
        lambda t: t.replace("\nbase_lr", "\n<<<<<<< ours\nbase_lr"),
        "a.txt:5: the baseline contains a merge conflict",
    ),
    "conflict at the top": (lambda t: f"<<<<<<< ours\n{t}", "a.txt:1: the baseline contains a merge conflict"),
    "both sides": (lambda t: t.replace("base_lr =", "base_lr = 1\nbase_lr ="), "a.txt:6: 'base_lr' is set twice"),
    "version": (
        lambda t: t.replace("version 1", "version 2"),
        "a.txt:1: the baseline has version '2', but this lrdecay reads version 1",
    ),
    "another file": (lambda t: "notes", "a.txt:1: the file does not begin with '# lrdecay baseline, version'"),
    "empty": (lambda t: "", "a.txt:1: the file does not begin with"),
    "value": (lambda t: t.replace("base_lr = 0.1", "base_lr = 0.1e"), "a.txt:5: not JSON: "),
    "columns": (lambda t: t.replace(ROW, "  0 1"), "has 2 of the 3 columns tensors digest parameters"),
    "number": (lambda t: t.replace("x0.49 ", "x0,49 "), "lr_scale is '0,49', not a number"),
    "field": (
        lambda t: t.replace("layer=0", "lyer=0"),
        "'lyer=0' is not one of the fields layer=, lr_scale=, lr=, decay=, opt",
    ),
    "field twice": (lambda t: t.replace("layer=0", "layer=0 layer=1"), "layer is set twice"),
    "no group": (lambda t: t.replace("layer_0_decay layer=0", "#"), "there is no group line above this tensor line"),
    "no indent": (lambda t: t.replace(ROW, ROW.strip()), "'671d7062' is not one of the fields layer=, lr_scale=,"),
    "digest": (lambda t: t.replace(ROW, ROW.replace(ROW.split()[1], "xyz")), "'xyz' is not a digest of 8 hex digits"),
    "mark": (
        lambda t: t.replace(ROW, f"{ROW} thawed"),
        "'thawed' after the name pattern is not frozen, missing, duplicate or a count",
    ),
    "count": (
        lambda t: t.replace(ROW, f"{ROW} x999999999"),
        "'x999999999' after the name pattern is not frozen, ",
    ),
    "range": (lambda t: t.replace("head.weight", "head.{0-99999999}"), "is not a name pattern that lrdecay writes"),
    "stars": (lambda t: t.replace("head.weight", "*.*.*.*.*.*x"), "is not a name pattern that lrdecay writes"),
    "options": (lambda t: t.replace("options = {}", ""), "a.txt:15: missing line 'options' above"),
    "config": (lambda t: t.replace('config = "configs/a.py"', "config = 1"), 'a.txt: has no line config = "PATH"'),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_the_line_and_the_command_that_fixes_it(name: str) -> None:
    damage, message = WRONG[name]
    damaged = damage(GOOD)
    assert damaged != GOOD
    with pytest.raises(LrdecayError) as caught:
        parse_text(damaged.encode(), "a.txt")
    assert message in caught.value.line()
    assert "lrdecay baseline --update" in caught.value.line()
    assert "\n" not in caught.value.line()


def test_damaged_bytes_raise_or_parse() -> None:
    """A damaged file is either a valid baseline or gives a one-line error."""
    chance = random.Random(0)
    for _ in range(400):
        raw = bytearray(GOOD.encode())
        for _ in range(chance.randint(1, 3)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        with suppress(LrdecayError):
            apply_baseline(parse_text(bytes(raw), "a.txt"), decay_map())


@pytest.mark.parametrize(("base_lr", "lines"), [(0.1, ["lr scale"]), (0.3, ["lr", "lr scale"])])
def test_lrs_that_follow_from_lr_scales_are_reported_once(base_lr: float, lines: list[str], tmp_path: Path) -> None:
    """Configs with different base lrs have the same text for an inherited decay rate."""
    before, replace = decay_map(), msgspec.structs.replace
    slower = tuple(
        replace(group, lr=group.lr_scale * 0.5 * base_lr, lr_scale=group.lr_scale * 0.5) for group in before.groups
    )
    write(tmp_path / "a.json", replace(before, groups=slower, base_lr=base_lr))
    (tmp_path / "a.txt").write_text(GOOD)
    result = lrdecay("check", "a.json", "--baseline", "a.txt", "--select", "LRD7", "--format", "json", cwd=tmp_path)
    (finding,) = json.loads(result.out)["findings"]
    assert re.findall(r"(lr(?: scale)?) of 5 tensors", finding["message"]) == lines


def test_check_names_differences_from_a_text(tmp_path: Path) -> None:
    """Numbers as in the whole map; changed tensors by their line."""
    now = decay_map(lr=0.2)
    replace = msgspec.structs.replace
    last = now.groups[2]
    renamed = replace(last, parameters=tuple(replace(each, shape=(5,), numel=5) for each in last.parameters))
    write(tmp_path / "a.json", replace(now, groups=(*now.groups[:2], renamed)))
    (tmp_path / "a.txt").write_text(GOOD)
    result = lrdecay("check", "a.json", "--baseline", "a.txt", "--select", "LRD7", "--format", "json", cwd=tmp_path)
    assert result.code == 1
    (finding,) = json.loads(result.out)["findings"]
    assert finding["message"] == (
        "base_lr 0.1 → 0.2 since the baseline: lr of 5 tensors 0.049 → 0.098, 0.07 → 0.14, 0.1 → 0.2; "
        "head.weight matches 1 tensor with other names or shapes than in the baseline"
    )
    assert finding["changed"] == "base_lr 0.1 → 0.2"
    in_python = lrdecay_cli.check(tmp_path / "a.json", baseline=tmp_path / "a.txt", select=["LRD7"])
    assert [found.message for found in in_python.findings] == [finding["message"]]
    shown = lrdecay("diff", "a.txt", "a.json", cwd=tmp_path)
    assert (shown.code, "line 20: other tensors" in shown.out) == (1, True), shown.out
    assert lrdecay("diff", "a.json", "a.json", cwd=tmp_path).code == 0
    for command in (("inspect", "a.txt"), ("diff", "a.txt", "a.txt"), ("check", "a.txt")):
        refused = lrdecay(*command, cwd=tmp_path)
        assert (refused.code, refused.err.count("is a text baseline, not a group map; give the config")) == (2, 1)
