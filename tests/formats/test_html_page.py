"""An HTML page as text: well-formed, without network access, and safe against injected names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from lrdecay_cli.analysis.comparing.report import comparison
from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.checking.reporting import report_of
from lrdecay_cli.domain.report import Branch, Column, Item, Note, Report, Result, Section, Table
from lrdecay_cli.domain.scan import SCAN_SCHEMA_VERSION, Scan, ScanRecord
from lrdecay_cli.files import to_json
from lrdecay_cli.formats import palette
from lrdecay_cli.formats.html_page.assembling import script_json
from lrdecay_cli.formats.values import printable
from lrdecay_cli.rules import RULES
from tests.commands.running import SAMPLES, lrdecay
from tests.formats.html_reading import HOSTILE, Tree, hostile_map, html, page, plain_map
from tests.formats.test_hard_values import REPORT
from tests.group_maps import group_map

ROOT = SAMPLES.parent
PACKAGE = files("lrdecay_cli.formats.html_page")
ASSETS = [asset for folder in ("templates", "style", "scripts") for asset in (Path(str(PACKAGE)) / folder).iterdir()]

TREE = Table(
    "Tree", (Column("m", "module", "tree"),), ((Branch("", "(model)", ""),), (Branch("└── ", HOSTILE[0], "x"),))
)
GENERIC = Result(
    Scan(SCAN_SCHEMA_VERSION, hostile_map().tool, "cpu", (), (ScanRecord(config=HOSTILE[0], status="ok"),)),
    Report(
        facts=((HOSTILE[0], HOSTILE[1]),),
        tables=(*REPORT.tables, TREE),
        notes=(Note(HOSTILE[0], "error", HOSTILE),),
        summary=HOSTILE[0],
        code="\n".join(HOSTILE),
        sections=(
            Section(HOSTILE[0], (Item("warning", HOSTILE[1], HOSTILE[2], HOSTILE, ((HOSTILE[3], HOSTILE[4]),)),)),
        ),
    ),
)
REPORTS = {
    "map": lambda: inspection(hostile_map(), verbose=True),
    "difference": lambda: comparison(plain_map(), hostile_map(), verbose=True),
    "no difference": lambda: comparison(plain_map(), plain_map()),
    "check": lambda: report_of(check_maps([hostile_map()], RULES), maps=[hostile_map()]),
    "check of two": lambda: report_of(
        check_maps([hostile_map(), plain_map()], RULES), maps=[hostile_map(), plain_map()]
    ),
    "empty map": lambda: inspection(group_map({})),
    "generic": lambda: GENERIC,
}


@pytest.fixture(scope="module", params=REPORTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def text(name: str) -> str:
    return html(REPORTS[name]())


def test_it_is_well_formed_and_labelled(text: str) -> None:
    tree = Tree(text)
    ids = tree.attributes("id")
    assert len(set(ids)) == len(ids)
    for name in ("for", "aria-labelledby", "aria-describedby"):
        assert {word for value in tree.attributes(name) for word in value.split()} <= set(ids)
    assert set(tree.attributes("href")) <= {f"#{name}" for name in ids}
    assert tree.tags.count("h1") == tree.tags.count("main") == tree.tags.count("nav") == 1
    assert tree.tags[0] == "html"
    assert dict(tree.elements[0][1]) == {"lang": "en"}


def test_it_can_load_nothing(text: str) -> None:
    tree = Tree(text)
    policies = [a["content"] or "" for tag, a in tree.elements if a.get("http-equiv") == "Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policies[0].split(";"))
    assert directives == {
        "default-src": "'none'",
        "style-src": f"'{digest(tree.texts['style'])}'",
        "script-src": f"'{digest(tree.texts['script'][1:])}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    # Only the character set comes before the policy.
    assert tree.tags[:4] == ["html", "head", "meta", "meta"]
    assert not {"src", "srcset", "style", "action", "data", "poster", "ping"} & {
        name for _, attributes in tree.elements for name in attributes
    }
    assert not {name for _, attributes in tree.elements for name in attributes if name.startswith("on")}
    assert not re.search(r"url\(|@import|expression\(", "".join(tree.texts["style"]))
    assert tree.tags.count("script") == 2
    assert tree.tags.count("style") == 1
    assert not {"link", "img", "iframe", "object", "embed", "form", "base"} & set(tree.tags)


def digest(texts: list[str]) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(''.join(texts).encode()).digest()).decode()}"


def test_it_is_ascii_and_the_same_every_time(name: str, text: str) -> None:
    assert text.isascii()
    assert html(REPORTS[name]()) == text


def test_hostile_texts_are_texts_and_nothing_else() -> None:
    """The page has the same elements as with harmless names; each name is there, unescaped."""
    hostile, plain = Tree(page(hostile_map())), Tree(page(plain_map()))
    # Strange labels fold into fewer patterns, and lines may break at dots.
    varying = {"li", "code", "wbr"}
    assert set(hostile.tags) == set(plain.tags)
    assert Counter(tag for tag in hostile.tags if tag not in varying) == Counter(
        tag for tag in plain.tags if tag not in varying
    )
    assert sorted(hostile.names()) == sorted(
        printable(name)
        for number, each in enumerate(HOSTILE)
        for name in (
            *(f"{each}.{number}.weight", f"a.{each}", f"again.{each}"),
            f"stem.{each}" if number < len(HOSTILE) // 2 else each,
        )
    )
    assert len(hostile.texts["script"]) == 2
    assert "pwned" not in hostile.texts["script"][1]


@pytest.mark.parametrize("value", [*HOSTILE, "</SCRIPT >", "<!--", "]]>", "a\u2028b", {"<k>": ["&"]}])
def test_embedded_json_keeps_all_values(value: object) -> None:
    text = script_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_numbers_that_json_cannot_contain_are_shown() -> None:
    groups = {"a": {"lr": float("inf"), "lr_scale": float("nan"), "parameters": {"x": ()}}}
    data = Tree(page(group_map(groups))).data()
    assert (data["parameters"]["groups"][0]["lr"], data["parameters"]["groups"][0]["lr_scale"]) == ("inf", "nan")


def test_names_are_in_the_model_order() -> None:
    names = {"backbone.2.weight": (1,), "backbone.10.weight": (1,), "backbone.10.bias": (1,), "head.weight": (1,)}
    mixed = dict(reversed(list(names.items())))
    built = group_map({"a": {"parameters": mixed}}, modules=group_map({"a": {"parameters": names}}).modules)
    assert Tree(page(built)).names() == list(names)
    assert "in which the model registers them" in page(built)
    unknown = page(group_map({"a": {"parameters": mixed}}, modules={}))
    assert Tree(unknown).names() == list(mixed)
    assert "in the order of the optimizer" in unknown


def test_the_data_are_the_map() -> None:
    """Every name is there with its group's numbers, with all digits."""
    built = hostile_map()
    data = Tree(page(built)).data()["parameters"]
    found = {
        name: data["groups"][group]["lr_scale"]
        for name, group in zip(data["names"], data["group"], strict=True)
        if group >= 0
    }
    assert found == {printable(parameter.name): group.lr_scale for group, parameter in built.grouped()}
    states = [data["states"][state] for state in data["state"]]
    assert states.count("frozen") == len(built.frozen)
    assert states.count("missing") == len(built.missing)
    assert states.count("duplicate") == len(built.duplicates)


@pytest.mark.parametrize(
    ("value", "lowest", "color"),
    [(1, 0.1, "r8"), (0.1, 0.1, "r0"), (0.1**0.5, 0.1, "r4"), (1.0000001, 0.1, "over"), (1, 1, "r8"), (0, 0.1, "r0")],
)
def test_the_ramp_is_logarithmic(value: float, lowest: float, color: str) -> None:
    assert palette.ramp(value, lowest) == color


def test_assets_are_small_and_cannot_end_their_element() -> None:
    assert len(ASSETS) > 20
    for asset in ASSETS:
        text = asset.read_text(encoding="utf-8")
        assert text.count("\n") <= 250, asset.name
        if asset.suffix != ".html":
            assert text.isascii(), asset.name
            assert not re.search(r"</s|<!--|\.innerHTML|insertAdjacentHTML|document\.write|\beval\(", text), asset.name


def test_the_wheel_carries_them(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    assert {f"lrdecay_cli/formats/html_page/{asset.parent.name}/{asset.name}" for asset in ASSETS} <= carried


def test_it_takes_no_torch_and_the_others_no_jinja(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(to_json(group_map({"a": {"parameters": {"x": (1,)}}})))
    for name, there in (("html", True), ("json", False), ("text", False)):
        script = (
            f"import sys\nfrom lrdecay_cli.app.shell.main import run\nrun(['inspect', {str(path)!r}, '-f', {name!r}])\n"
            "print('torch' in sys.modules, 'jinja2' in sys.modules, file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stderr.split() == ["False", str(there)]


def test_without_jinja_one_line_names_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error comes before any build: the config is not even searched for."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run(["inspect", "absent.py", "--format", "html"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == 'lrdecay: --format: html needs Jinja2; pip install "lrdecay-cli[html]"\n'


@pytest.mark.parametrize("options", [["--by", "layer"], ["--filter", "a.*"], ["--sort", "lr"]])
def test_a_page_is_always_whole(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "absent.py", "--format", "text", "--output", "html=page.html", *options]) == 2
    assert "leave out --by, --filter and --sort" in capsys.readouterr().err


def test_pages_are_written_beside_other_reports(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(to_json(plain_map()))
    result = lrdecay("inspect", path, "--output", f"html={tmp_path}/page.html")
    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "page.html").read_text() == lrdecay("inspect", path, "--format", "html").out
    assert lrdecay("diff", path, path, "--format", "html").code == 0
    assert lrdecay("check", path, "--format", "html", "--exit-zero").out.startswith("<!DOCTYPE html>")
