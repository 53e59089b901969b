"""``lrdecay where``: places of options, messages for options that no file sets, and configs that cannot run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from lrdecay_cli.domain.origins import Origins
from lrdecay_cli.origins import config_origins
from tests.commands.running import Run

BASE = """optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9),
    paramwise_cfg=dict(num_layers=6, custom_keys={'norm.weight': dict(decay_mult=0.0)}))
"""
CONFIG = """_base_ = 'base.py'
base_lr = 1e-4
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=base_lr),
    paramwise_cfg=dict(num_layers=7))
train_cfg = dict(max_epochs=36)
"""


@pytest.fixture
def project(tmp_path: Path, here: Run) -> Run:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.py").write_text(CONFIG)
    return here


def test_a_column_without_a_value_is_left_out(project: Run) -> None:
    """On a terminal; CSV has the same columns in every file."""
    lines = project("where", "config.py", "train_cfg").out.splitlines()
    assert lines[2:4] == ["option                value  set at", "train_cfg.max_epochs  36     config.py:6:29"]
    head = project("where", "config.py", "train_cfg", "--format", "csv").out.splitlines()[0]
    assert head.split(",") == ["option", "value", "set_at", "through", "overrides"]


def test_values_that_need_running_are_unknown(project: Run, tmp_path: Path) -> None:
    """It has a place, but no value, which could be wrong."""
    (tmp_path / "running.py").write_text("import os\nn = len(os.listdir('.'))\nx = dict(lr=0.1 * n, known=3)\n")
    found = json.loads(project("where", "running.py", "*", "--format", "json").out)["options"]
    assert [(each["option"], each["origin"]["value"], bool(each["origin"]["unknown"])) for each in found] == [
        ("n", None, True),
        ("x.lr", None, True),
        ("x.known", 3, False),
    ]
    assert {each["origin"]["place"]["line"] for each in found[1:]} == {3}
    assert "2 values unknown without running the config" in project("where", "running.py", "*").out


def test_each_option_is_a_row(project: Run) -> None:
    lines = project("where", "config.py").out.splitlines()
    assert lines[0] == "config  config.py"
    assert [line.split() for line in lines[3:-2]] == [
        ["optim_wrapper.optimizer.type", "'AdamW'", "config.py:4:40", "'SGD'", "(base.py:2)"],
        ["optim_wrapper.optimizer.lr", "0.0001", "config.py:2:11", "base_lr", "0.02", "(base.py:2)"],
        ["optim_wrapper.paramwise_cfg.num_layers", "7", "config.py:5:35", "6", "(base.py:3)"],
        ["optim_wrapper.paramwise_cfg.custom_keys['norm.weight'].decay_mult", "0.0", "base.py:3:82"],
        ["train_cfg.max_epochs", "36", "config.py:6:29"],
    ]
    assert lines[-1] == "5 options, 3 overriding another value"


@pytest.mark.parametrize(
    "path",
    [
        "optim_wrapper.paramwise_cfg.custom_keys['norm.weight'].decay_mult",
        'optim_wrapper.paramwise_cfg.custom_keys["norm.weight"]',
        "optim_wrapper.paramwise_cfg.custom_keys.norm.weight",
        "optim_wrapper['paramwise_cfg'].custom_keys",
    ],
)
def test_a_path_is_accepted_in_each_spelling(path: str, project: Run) -> None:
    found = json.loads(project("where", "config.py", path, "-f", "json").out)
    assert [option["keys"][-2:] for option in found["options"]] == [["norm.weight", "decay_mult"]]


def test_the_document_has_the_whole_story(project: Run) -> None:
    text = project(
        "where",
        "config.py",
        "optim_wrapper.optimizer.lr",
        "--cfg-options",
        "optim_wrapper.optimizer.lr=1",
        "-f",
        "json",
    )
    (option,) = msgspec.json.decode(text.out, type=Origins).options
    assert (option.origin.value, str(option.origin.place), option.origin.mechanism) == (
        1,
        "--cfg-options",
        "cfg-options",
    )
    assert [(old.value, str(old.place), old.text) for old in option.overridden] == [
        (0.02, "base.py:2", "0.02"),
        (0.0001, "config.py:2", "1e-4"),
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("num_layers", "num_layers is not set; did you mean optim_wrapper.paramwise_cfg.num_layers?"),
        ("optim_wrapper.paramwise_cfg.num_layer", "did you mean optim_wrapper.paramwise_cfg.num_layers?"),
        ("zzzz", "zzzz is not set; lrdecay where config.py '*' lists all options"),
        (
            "optim_wrapper.optimizer.momentum",
            "optim_wrapper.optimizer.momentum is not set: config.py:4 replaces optim_wrapper.optimizer, "
            "which set it to 0.9 (base.py:2)",
        ),
    ],
)
def test_a_path_that_nothing_sets(path: str, message: str, project: Run) -> None:
    result = project("where", "config.py", path)
    assert (result.code, result.out) == (2, "")
    assert result.err.rstrip().endswith(message)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("optim_wrapper.paramwise_cfg.num_layers", "config.py:5"),
        ("optim_wrapper.paramwise_cfg.decay_rate", "base.py:3"),
        ("optim_wrapper.paramwise_cfg.custom_keys['head'].lr_mult", "base.py:3"),
        ("optim_wrapper.paramwise_cfg.custom_keys['norm.weight']", "base.py:3"),
        ("optim_wrapper.constructor", "base.py:1"),
        ("param_scheduler[0].end", None),
    ],
)
def test_the_nearest_set_option(path: str, place: str | None, project: Run) -> None:
    found = config_origins("config.py").nearest(path)
    assert (str(found.origin.place) if found else None) == place


HOSTILE = {
    "nests.py": ("a = " + "(" * 300 + "1" + ")" * 300, "nests.py:1: is not valid Python: too many nested parentheses"),
    "deep.py": (
        "a = " + "-" * 50_000 + "1",
        "deep.py: cannot be parsed: the config is nested too deeply or contains a null byte",
    ),
    "null.py": ("a = 1\0", "null.py: is not valid Python: source code string cannot contain null bytes"),
    "syntax.py": ("a = 1\nb = = 2\n", "syntax.py:2: is not valid Python: invalid syntax"),
    "circle.py": ("_base_ = ['circle.py']", "circle.py:1: circle.py is a base of itself; remove circle.py from _base_"),
    "absent.py": ("_base_ = 'bas.py'", "absent.py:1: no such base: bas.py; did you mean base.py?"),
    "twice.py": (
        "_base_ = ['base.py', './base.py']",
        "twice.py:1: base.py sets optim_wrapper, like base.py:1, but two bases must not set the same key",
    ),
    "kinds.py": (
        "_base_ = 'base.py'\noptim_wrapper = dict(optimizer=dict(lr=dict(a=1)))",
        "kinds.py:2: lr is a dict in this config but not in its base; set _delete_=True to replace the base's value",
    ),
    "raises.py": ("a = [1]\nb = a[3]\n", "raises.py:2: running the config raises IndexError: list index out of range"),
    "undefined.py": ("a = dict(b=lr)\n", "undefined.py:1: running the config raises NameError: lr is not defined"),
    "broken.json": (
        '{"a": 1,\n "b": }',
        "broken.json:2: the file is not valid JSON: Expecting value: line 2 column 7 (char 15)",
    ),
    "list.json": ('["optim_wrapper"]', "list.json: the top level of the file is not a dict"),
    "broken.yaml": ("a: [1\nb: 2", "broken.yaml:2: the file is not valid YAML: expected ',' or ']', but got ':'"),
    "bytes.py": (b"a = '\xff'\n", "bytes.py: the file is not UTF-8 text"),
    "large.py": ("#" * (2**21 + 1), "large.py: the file is larger than 2 MiB"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_config_that_cannot_be_read_gets_one_line(name: str, project: Run, tmp_path: Path) -> None:
    text, reason = HOSTILE[name]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    result = project("where", name, "*")
    assert (result.code, result.out, result.err) == (2, "", f"lrdecay: {reason}\n")


# Of each config, a value that only running it gives; the other option, which is independent of it, is shown.
UNKNOWN = {
    "a call": "import subprocess\na = subprocess.run(['x'])\nb = 1\n",
    "a function of its own": "def f(x):\n    x.update(c=2)\n\na = dict(c=1)\nf(a)\nb = 1\n",
    "a function that changes what it does not get": "a = dict(c=1)\ndef f():\n    a['c'] = 2\n\nf()\nb = 1\n",
    "another name for it": "a = dict(c=1)\nd = [a]\nopen('x', d)\ndel d\nb = 1\n",
    "a condition": "import os\na = 1\nif os.environ.get('X'):\n    a = 2\nb = 1\n",
    "a while loop": "a = 1\nwhile a < 3:\n    a += 1\nb = 1\n",
    "a try": "try:\n    a = 1\nexcept KeyError:\n    a = 2\nb = 1\n",
    "a power": "a = 9 ** 9 ** 9 ** 9\nb = 1\n",
    "a long string": "a = 'x' * 10**12\nb = 1\n",
    "a long list": "a = [0] * 10**12\nb = 1\n",
    "a wide format": "a = '%0999999999d' % 1\nb = 1\n",
    "a long loop": "a = [i for i in range(10**12)]\nb = 1\n",
    "loops in loops": "b = 1\na = [0 for i in range(9999) for j in range(9999)]\n",
    "a chain of operators": f"a = {'+'.join('1' * 500)}\nb = 1\n",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_values_that_only_running_can_give_are_unknown(name: str, project: Run, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(UNKNOWN[name])
    options = json.loads(project("where", "odd.py", "a", "b", "-f", "json").out)["options"]
    assert [option["option"] for option in options] == ["a", "b"]
    assert options[0]["origin"]["unknown"]
    assert (options[1]["origin"]["unknown"], options[1]["origin"]["value"]) == ("", 1)


def test_it_needs_neither_torch_nor_mmengine(project: Run, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom lrdecay_cli.app.shell.main import run\ncode = run(['where', 'config.py'])\n"
        "print(code, [name for name in ('torch', 'mmengine', 'numpy', 'yaml') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "0 []\n"
