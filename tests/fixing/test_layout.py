"""Layout of edits: only the entry changes, formatted like its neighbours, and every other byte stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from lrdecay_cli.domain.fix import Edit, Fix, append_to, delete_option, move_option, rename_option, set_option
from lrdecay_cli.fixing.merged import Refused
from lrdecay_cli.fixing.planning import Planner
from lrdecay_cli.fixing.project import Project

BASE = "o = dict(lr=1, p=dict(rate=0.5, keys={'a.b': dict(m=1)}))\ns = [dict(t='A', e=1), dict(t='B')]\n"
ZOO = "_base_ = 'mmdet::_base_/schedules/schedule_1x.py'\n"


def fixed(folder: Path, text: str, *edits: Edit, name: str = "config.py", base: str = "") -> str:
    """Return the text of a config with edits; another config has the same base."""
    config = folder / name
    config.write_bytes(text.encode())
    if base:
        (folder / "base.py").write_text(base)
        (folder / "other.py").write_text("_base_ = 'base.py'\n")
    fix = Fix(edits=edits)
    planner = Planner({str(config): [fix]}, Project(folder))
    planner.fix(str(config), fix)
    assert [path.name for path in planner.changed] in ([name], [])
    return planner.changed.get(config.resolve(), text)


SETS = set_option("o.n", 12)
NORM = set_option("o.keys['x.y']", {"m": 0})


@pytest.mark.parametrize(
    ("text", "edit", "expected"),
    [
        ("o = dict(n=6)  # six\n", SETS, "o = dict(n=12)  # six\n"),
        ("o = dict(m=6)\n", SETS, "o = dict(m=6, n=12)\n"),
        ("o = dict()\n", SETS, "o = dict(n=12)\n"),
        ("o = {'m': 6,}\n", SETS, "o = {'m': 6, 'n': 12}\n"),
        ('o = {"m": 6}\n', SETS, 'o = {"m": 6, "n": 12}\n'),
        ("o = dict(\n    m=6,  # six\n)\n", SETS, "o = dict(\n    m=6,  # six\n    n=12,\n)\n"),
        ("o = dict(\n    m=6  # six, (\n    )\n", SETS, "o = dict(\n    m=6,  # six, (\n    n=12\n    )\n"),
        ("o = dict(\n    l=1,\n    m=6)\n", SETS, "o = dict(\n    l=1,\n    m=6,\n    n=12)\n"),
        ("o = dict(m=(6))\n", SETS, "o = dict(m=(6), n=12)\n"),
        ("n = 6\no = dict(n=n)\n", SETS, "n = 12\no = dict(n=n)\n"),
        ("n = 6\no = dict(n=n)\nq = dict(n=n)\n", SETS, "n = 6\no = dict(n=12)\nq = dict(n=n)\n"),
        ("o = dict(n=2 * 3)\n", SETS, "o = dict(n=12)\n"),
        ("o = dict(n=[1, 2])\n", set_option("o.n[1]", 3), "o = dict(n=[1, 3])\n"),
        ('o = dict(t="A")\n', set_option("o.t", "B"), 'o = dict(t="B")\n'),
        ("a = 1\n", SETS, "a = 1\no = dict(n=12)\n"),
        ("a = 1", SETS, "a = 1\no = dict(n=12)\n"),
        ("o = dict(m=1)\r\nb = 2\r\n", SETS, "o = dict(m=1, n=12)\r\nb = 2\r\n"),
        ("a = 1\r\nb = 2\r\n", SETS, "a = 1\r\nb = 2\r\no = dict(n=12)\r\n"),
        ("o = dict(s='ü', m=1)\n", SETS, "o = dict(s='ü', m=1, n=12)\n"),
        ("o = dict(keys=dict(a=dict(m=1)))\n", NORM, "o = dict(keys=dict(a=dict(m=1), **{'x.y': dict(m=0)}))\n"),
        ("o = dict(keys={'a': dict(m=1)})\n", NORM, "o = dict(keys={'a': dict(m=1), 'x.y': dict(m=0)})\n"),
        ("o = dict(m=1, n=6)\n", delete_option("o.n"), "o = dict(m=1)\n"),
        ("o = dict(n=6, m=1)\n", delete_option("o.n"), "o = dict(m=1)\n"),
        ("o = dict(n=6)\n", delete_option("o.n"), "o = dict()\n"),
        ("o = dict(\n    n=6,  # six\n    m=1)\n", delete_option("o.n"), "o = dict(\n    m=1)\n"),
        ("o = dict(\n    m=1,  # one\n    n=6)\n", delete_option("o.n"), "o = dict(\n    m=1,  # one\n    )\n"),
        ("o = dict(\n    m=1,\n    n=6)\n", delete_option("o.n"), "o = dict(\n    m=1)\n"),
        ("s = [dict(t='A'), dict(t='B')]\n", delete_option("s[0]"), "s = [dict(t='B')]\n"),
        ("a = 1\no = dict(n=6)\nb = 2\n", delete_option("o"), "a = 1\nb = 2\n"),
        ("o = dict(n=6)\no['m'] = 1\n", delete_option("o.m"), "o = dict(n=6)\n"),
        ("o = dict(n_=6)  # six\n", rename_option("o.n_", "n"), "o = dict(n=6)  # six\n"),
        ("o = {'.b': 1}\n", rename_option("o['.b']", "b"), "o = {'b': 1}\n"),
        ("o = dict(b=1)\n", rename_option("o.b", "a.b"), "o = dict(**{'a.b': 1})\n"),
        ("n = dict(x=1)\no = dict(m=1)\n", move_option("n", "o.n"), "o = dict(m=1, n=dict(x=1))\n"),
        ("s = dict(l=['a'])\n", append_to("s.l", "b"), "s = dict(l=['a', 'b'])\n"),
        ("a = 1\n", append_to("s.l", "b"), "a = 1\ns = dict(l=['b'])\n"),
        ("s = dict(t='A', e=1)\n", set_option("s[0].e", 2), "s = dict(t='A', e=1)\n"),
    ],
)
def test_one_config(text: str, edit: Edit, expected: str, tmp_path: Path) -> None:
    if text.startswith("s = dict(t="):
        text, edit, expected = (
            text.replace("s =", "param_scheduler ="),
            set_option("param_scheduler[0].e", 2),
            "param_scheduler = dict(t='A', e=2)\n",
        )
    assert fixed(tmp_path, text, edit) == expected


HEAD = "_base_ = 'base.py'\n"


@pytest.mark.parametrize(
    ("text", "edit", "expected"),
    [
        ("", set_option("o.p.rate", 0.7), "o = dict(p=dict(rate=0.7))\n"),
        ("o = dict(lr=2)\n", set_option("o.p.rate", 0.7), "o = dict(lr=2, p=dict(rate=0.7))\n"),
        ("o = dict(p=dict(n=1))\n", set_option("o.p.rate", 0.7), "o = dict(p=dict(n=1, rate=0.7))\n"),
        ("", set_option("o.p", {"n": 1}), "o = dict(p=dict(_delete_=True, n=1))\n"),
        (
            "",
            delete_option("o.p.rate"),
            "o = dict(p=dict(_delete_=True, keys={'a.b': dict(m=1)}))\n",
        ),
        (
            "o = dict(p=dict(n=1))\n",
            delete_option("o.p.rate"),
            "o = dict(p=dict(_delete_=True, n=1, keys={'a.b': dict(m=1)}))\n",
        ),
        (
            "o = dict(p=dict(rate=0.7))\n",
            delete_option("o.p.rate"),
            "o = dict(p=dict(_delete_=True, keys={'a.b': dict(m=1)}))\n",
        ),
        ("", set_option("s[0].e", 2), "s = [dict(t='A', e=2), dict(t='B')]\n"),
        ("", delete_option("s[0]"), "s = [dict(t='B')]\n"),
        (
            "",
            rename_option("o.p.rate", "decay"),
            "o = dict(p=dict(_delete_=True, decay=0.5, keys={'a.b': dict(m=1)}))\n",
        ),
    ],
)
def test_fixes_of_a_shared_base(text: str, edit: Edit, expected: str, tmp_path: Path) -> None:
    """The base stays unchanged; the config overrides it."""
    assert fixed(tmp_path, HEAD + text, edit, base=BASE) == HEAD + expected


LAZY = "from mmengine.config import read_base\nwith read_base():\n    from .base import *\n"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (set_option("o.p.rate", 0.7), "o['p']['rate'] = 0.7\n"),
        (set_option("s[0].e", 2), "s[0]['e'] = 2\n"),
        (delete_option("s[0].e"), "del s[0]['e']\n"),
        (set_option("new", {"a": 1}), "new = dict(a=1)\n"),
    ],
)
def test_the_lazy_style(edit: Edit, expected: str, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(LAZY)
    assert fixed(tmp_path, LAZY, edit, base=BASE) == LAZY + expected


@pytest.mark.parametrize(
    ("name", "text", "edit", "expected"),
    [
        ("config.json", '{"o": {"m": 1}}\n', SETS, '{"o": {"m": 1, "n": 12}}\n'),
        ("config.json", '{"o": {"n": true,\n  "m": 1}}\n', delete_option("o.n"), '{"o": {"m": 1}}\n'),
        ("config.json", '{"o": {"n_": null}}\n', rename_option("o.n_", "n"), '{"o": {"n": null}}\n'),
        ("config.yaml", "o:\n  n: 6  # six\n", SETS, "o:\n  n: 12  # six\n"),
        ("config.yaml", "o:\n  n_: 6\n", rename_option("o.n_", "n"), "o:\n  n: 6\n"),
    ],
)
def test_json_and_yaml(name: str, text: str, edit: Edit, expected: str, tmp_path: Path) -> None:
    assert fixed(tmp_path, text, edit, name=name) == expected


@pytest.mark.parametrize(
    ("name", "text", "edit", "reason"),
    [
        ("config.yaml", "o:\n  m: 1\n", SETS, "in a YAML file, lrdecay can change only values and keys"),
        ("config.py", "o = eval('{}')\n", SETS, "is unknown without running the config"),
        ("config.py", "a = 1\n", delete_option("o.n"), "o is not set"),
        ("config.py", "o = dict(n=1, m=2)\n", rename_option("o.n", "m"), "o.m is already set"),
    ],
)
def test_refused(name: str, text: str, edit: Edit, reason: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=reason):
        fixed(tmp_path, text, edit, name=name)


@pytest.mark.parametrize("place", ["venv/lib/python3.11/site-packages/config.py", "../outside/config.py", "link.py"])
def test_files_outside_the_project_are_not_changed(place: str, tmp_path: Path) -> None:
    root = tmp_path / "project"
    config = root / place
    for folder in (root, config.parent, tmp_path / "outside"):
        folder.mkdir(parents=True, exist_ok=True)
    if place == "link.py":
        (tmp_path / "outside/config.py").write_text("o = dict(n=6)\n")
        config.symlink_to(tmp_path / "outside/config.py")
    else:
        config.write_text("o = dict(n=6)\n")
    planner = Planner({}, Project(root))
    with pytest.raises(Refused, match=r"outside the project|is installed and not part of the project"):
        planner.fix(str(config), Fix(edits=(SETS,)))
    assert planner.changed == {}


@pytest.mark.parametrize(
    ("asking", "changed"),
    [
        pytest.param(("a.py", "b.py"), {"base.py"}, id="all heirs ask for it"),
        pytest.param(("a.py",), {"a.py"}, id="one of two asks for it"),
    ],
)
def test_a_base_is_changed_where_all_its_heirs_ask_for_it(
    asking: tuple[str, ...], changed: set[str], tmp_path: Path
) -> None:
    (tmp_path / "base.py").write_text("o = dict(n=6)\n")
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(HEAD)
    fix = Fix(edits=(SETS,))
    configs = [str(tmp_path / name) for name in asking]
    planner = Planner({config: [fix] for config in configs}, Project(tmp_path))
    for config in configs:
        planner.fix(config, fix)
    assert {path.name for path in planner.changed} == changed
    for path, text in planner.changed.items():
        path.write_text(text)
    assert [Config.fromfile(config).o.n for config in configs] == [12] * len(configs)
