"""The line at which loading a config fails, from the exception of mmengine and from the text."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from lrdecay_cli.openmmlab.failures.places import failing_place

LAZY = "from mmengine.config import read_base\nwith read_base():\n    from .base import *\n"
# name: (text of config.py, the error, the place)
CONFIGS = {
    "an index": ("a = 1\nb = [1][a]\n", IndexError, "config.py:2"),
    "in a base": ("_base_ = ['sub/raises.py']\n", ZeroDivisionError, "sub/raises.py:2"),
    "in a function": ("_base_ = 'base.py'\ndef f():\n    return 1 / 0\nx = f()\n", ZeroDivisionError, "config.py:4"),
    "two bases with the same name": ("_base_ = [\n    'base.py',\n    './base.py']\n", KeyError, "config.py:3"),
    "no such base": ("a = 1\n_base_ = ['base.py', 'none.py']\n", FileNotFoundError, "config.py:2"),
    "a dict over a number": ("_base_ = 'base.py'\nx = dict(\n    y=dict(z=1))\n", TypeError, "config.py:3"),
    "a base without the name": ("_base_ = 'base.py'\na = 1\nx = {{_base_.nothing}}\n", KeyError, "config.py:3"),
    "a module that is not there": (
        "a = 1\ncustom_imports = dict(imports=['no_such_module'])\n",
        ImportError,
        "config.py:2",
    ),
    "a circle": ("_base_ = 'config.py'\n", RecursionError, "config.py:1"),
    "lazy": (LAZY + "x.y.z = 2\n", AttributeError, "config.py:4"),
    "lazy, no such base": (LAZY.replace(".base", ".bas"), RuntimeError, "config.py:3"),
    "an exception of the environment": ("a = 1\nb = open('no such file')\n", FileNotFoundError, "config.py:2"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_line_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, kind, place = CONFIGS[name]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "raises.py").write_text("a = 1\nb = a / 0\n")
    (tmp_path / "base.py").write_text("x = dict(y=1)\n")
    (tmp_path / "config.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as raised:
        Config.fromfile("config.py")
    assert failing_place(raised.value, "config.py") == place
