"""Records in a Python program and in a notebook."""

from __future__ import annotations

import html
import pickle
import re
from pathlib import Path
from typing import Any

import lxml.html
import msgspec
import pytest
from mmengine.config import Config
from rich.console import Console

import lrdecay_cli
from lrdecay_cli.analysis.comparing.report import comparison
from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.api.overrides import overrides_of
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files import read_map
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.plain_text import render
from lrdecay_cli.openmmlab.config_file import parse_overrides
from lrdecay_cli.origins.command_line import merged_options
from lrdecay_cli.origins.nodes import Node
from tests.checking.maps import decay_map
from tests.group_maps import group_map

HOSTILE = "<script>alert(1)</script>\x1b[31m\n'\"&"


def hostile_map() -> GroupMap:
    return group_map({HOSTILE: {"parameters": {f"{HOSTILE}.weight": (2, 3)}}}, missing={f"{HOSTILE}.bias": (3,)})


def test_a_repr_is_one_short_line() -> None:
    found = decay_map(wrong=True)
    result = lrdecay_cli.check(found)
    difference = comparison(found, decay_map()).document
    records: list[Any] = [found, result, difference, found.groups[0], found.tensors()[0]]
    records += [*result.findings, *result.causes(), hostile_map(), hostile_map().tensors()[0]]
    for record in records:
        assert re.fullmatch(rf"<{type(record).__name__} [^\n\x1b]+>", repr(record))
        assert len(repr(record)) < 400
    assert repr(found).startswith("<GroupMap ")
    assert f"{len(found.groups)} groups with " in repr(found)
    assert repr(result).startswith("<CheckResult fails: ")


def test_str_is_the_text_of_the_command() -> None:
    found = decay_map()
    assert str(found) == render(inspection(found).report, Canvas()).rstrip("\n")
    assert "LRD301" in str(decay_map(wrong=True))
    assert str(lrdecay_cli.check(decay_map(wrong=True), select=["LRD301"])).endswith("1 error in 1 config")
    # Only the command has the report of its records.
    difference = comparison(found, decay_map(wrong=True)).document
    assert str(difference) == repr(difference)


def test_rich_prints_the_report_in_the_width_of_its_console() -> None:
    console = Console(width=70, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(decay_map(wrong=True))
    shown = console.export_text()
    assert "layer_0_decay" in shown
    assert max(map(len, shown.splitlines())) <= 70


@pytest.mark.parametrize("named", [hostile_map(), lrdecay_cli.check(hostile_map())], ids=["map", "check"])
def test_html_is_escaped_static_and_without_colours_of_its_own_text(named: Any) -> None:
    fragment = named._repr_html_()
    tree = lxml.html.fragment_fromstring(fragment)
    assert not tree.xpath("//script | //link | //style | //iframe | //img | //@href | //@src")
    assert not [name for element in tree.iter() for name in element.attrib if name.startswith("on")]
    assert "\x1b" not in fragment
    assert html.escape("<script>alert(1)</script>") in fragment
    # Text has the notebook's own colour; only severities are coloured.
    assert {each.text_content() for each in tree.xpath("//*[contains(@style, 'color:#')]")} <= {
        "info",
        "warning",
        "warning:",
        "error",
        "error:",
    }


def test_html_of_a_large_map_is_light() -> None:
    large = group_map({f"g{index}": {"parameters": {f"w{index}": (1,)}} for index in range(2000)})
    fragment = large._repr_html_()
    assert "1,940 more rows" in fragment
    assert len(fragment) < 100_000


def test_a_tensor_by_its_name() -> None:
    found = group_map(
        {"head": {"parameters": {"head.weight": (2, 3)}, "lr": 0.2, "layer_id": 7}},
        frozen={"stem.weight": (4,)},
        duplicates={"tied.weight": "head.weight"},
    )
    tensor = found["head.weight"]
    assert (tensor.lr, tensor.weight_decay, tensor.lr_scale, tensor.layer_id) == (0.2, 0.05, 1.0, 7)
    assert found["stem.weight"].lr is None
    assert found["tied.weight"].of == "head.weight"
    assert found.group("head") is found.groups[0]
    assert list(found) == ["head.weight", "stem.weight", "tied.weight"]
    assert "head.weight" in found
    assert 3 not in found
    for call, expected in ((found.__getitem__, "head.weight"), (found.group, "head")):
        with pytest.raises(KeyError, match=rf"did you mean {expected}\?$"):
            call("head.wieght" if expected == "head.weight" else "haed")
    with pytest.raises(lrdecay_cli.LrdecayError):
        found["nothing like it"]


def test_rows_are_for_data_frames() -> None:
    rows = group_map({"head": {"parameters": {"head.weight": (2, 3)}, "lr": 0.2}}, frozen={"stem.weight": (4,)}).rows()
    assert [row["name"] for row in rows] == ["head.weight", "stem.weight"]
    assert rows[0]["shape"] == [2, 3]
    assert (rows[0]["lr"], rows[1]["lr"], rows[1]["state"]) == (0.2, None, "frozen")
    # All rows have the same keys, and each column has values of one type.
    assert len({tuple(row) for row in rows}) == 1
    assert msgspec.json.decode(msgspec.json.encode(rows)) == rows


def test_a_plot_has_title_labels_and_a_bar_for_each_group() -> None:
    from matplotlib.figure import Figure

    found = decay_map(wrong=True)
    ax = found.plot(Figure().add_subplot())
    assert len(ax.patches) == len(found.groups)
    assert found.config.path in ax.get_title()
    assert ax.get_xlabel() == "learning rate (logarithmic scale)"
    assert ax.get_ylabel() == "parameter group"
    # The length of a bar is its lr.
    ends = sorted(patch.get_x() + patch.get_width() for patch in ax.patches)
    assert ends == pytest.approx(sorted(group.lr for group in found.groups))
    hostile_map().plot(Figure().add_subplot()).figure.canvas.draw()
    empty = group_map({"a": {"parameters": {"$x$": (1,)}, "lr": 0.0}, "b": {"lr": None}}, base_lr=None)
    empty.plot(Figure().add_subplot()).figure.canvas.draw()


def test_a_plot_without_matplotlib_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(lrdecay_cli.LrdecayError, match=r"plot\(\) needs the package matplotlib.*; pip install"):
        decay_map().plot()


def test_saved_maps_can_be_read_again(tmp_path: Path) -> None:
    found = decay_map()
    found.save(tmp_path / "map.json")
    assert read_map(str(tmp_path / "map.json")) == found
    odd = group_map({"a": {"parameters": {"w": (1,)}, "lr": float("nan")}})
    with pytest.raises(lrdecay_cli.LrdecayError, match=r"odd\.json: \$\.groups\[0\]\.lr: is nan"):
        odd.save(tmp_path / "odd.json")
    with pytest.raises(lrdecay_cli.LrdecayError, match="cannot write"):
        found.save(tmp_path / "nowhere" / "map.json")
    with pytest.raises(lrdecay_cli.LrdecayError, match=r"a map is saved as JSON.* save the map as .*map\.json"):
        found.save(tmp_path / "map.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["map.json"]


def test_raise_on_failure() -> None:
    clean = lrdecay_cli.check(decay_map(), select=["LRD301"])
    assert clean.raise_on_failure() is clean
    failing = lrdecay_cli.check(decay_map(wrong=True), select=["LRD301"])
    with pytest.raises(AssertionError) as raised:
        failing.raise_on_failure()
    assert str(raised.value) == f"fails: 1 error in 1 config\n\n{failing}"
    # pytest-xdist pickles the error like this.
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value)


def test_pytest_shows_the_report() -> None:
    with pytest.raises(AssertionError) as raised:
        lrdecay_cli.check(decay_map(wrong=True), select=["LRD301"]).raise_on_failure()
    lines = str(raised.getrepr(style="long")).splitlines()
    shown = [line for line in lines if line.startswith("E ")]
    assert shown[0] == "E           lrdecay_cli.CheckFailed: fails: 1 error in 1 config"
    assert any("scale-above-one: " in line for line in shown)
    # The traceback has no frames of lrdecay.
    assert not [line for line in lines if "finding.py" in line or "raise CheckFailed" in line]


def test_pytest_shows_one_line_of_an_error() -> None:
    with pytest.raises(lrdecay_cli.LrdecayError) as raised:
        lrdecay_cli.load("nowhere.json")
    lines = str(raised.getrepr(style="long")).splitlines()
    assert [line for line in lines if line.startswith("E ")] == [
        "E           lrdecay_cli.domain.errors.LrdecayError: nowhere.json: no such file; check the path"
    ]
    assert not [line for line in lines if "map_file.py" in line or "errors.py" in line]


@pytest.mark.parametrize(
    ("given", "strings"),
    [
        ({"optim_wrapper.optimizer.lr": 1e-3}, ("optim_wrapper.optimizer.lr=0.001",)),
        ({"optim_wrapper": {"optimizer": {"lr": 2}}}, ("optim_wrapper.optimizer.lr=2",)),
        ({"a.b": [1, 2]}, ("a.b=[1, 2]",)),
        ({"a": True, "b": None, "c": "AdamW"}, ("a=True", "b=None", "c=AdamW")),
        (["a.b=1"], ("a.b=1",)),
        (None, ()),
    ],
)
def test_options_that_a_command_line_can_write(given: Any, strings: tuple[str, ...]) -> None:
    """The functions share the command's cache."""
    assert overrides_of(given) == strings


@pytest.mark.parametrize(
    "given",
    [
        {"optim_wrapper.optimizer.lr": 1e-3},
        {"optim_wrapper": {"paramwise_cfg": {"custom_keys": {"backbone.norm": {"lr_mult": 0.1}}}}},
        {"model.backbone.arch": {}, "model.text": "1, 2", "model.number": "1"},
        {"model.pairs": [(1, 2), ["a b", {"c": 1.5}]], "param_scheduler.1.begin": 4},
    ],
)
def test_options_of_a_dict_are_those_of_mmengine(given: dict[str, Any]) -> None:
    """mmengine's own ``merge_from_dict`` merges the dict; lrdecay's config has the same values."""
    start = {"optim_wrapper": {"optimizer": {"lr": 1.0}}, "model": {"backbone": {"arch": {}}}}
    start["param_scheduler"] = [{"begin": 0}, {"begin": 1}]  # type: ignore[assignment]
    theirs, ours = Config(start), Config(start)
    theirs.merge_from_dict(given)
    ours.merge_from_dict(parse_overrides(overrides_of(given)))
    assert ours.to_dict() == theirs.to_dict()
    assert merged_options(Node("config", {}), overrides_of({"lr": "a, b"})).data["lr"].node.data == "a, b"


def test_one_string_is_no_list_of_options() -> None:
    with pytest.raises(lrdecay_cli.LrdecayError, match="cfg_options: 'a=1' is a single string; give a dict"):
        overrides_of("a=1")
