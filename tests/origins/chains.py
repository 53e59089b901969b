"""Hand-written configs, one for each mechanism that sets an option, with the place of one option.

A place is ``file:line:column``. Overridden values are listed with value and line, in the order in which they were set.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Chain(NamedTuple):
    """Files, with ``config.py`` as the config unless another is named, and the expected facts about an option."""

    name: str
    files: dict[str, str]
    option: str
    value: Any
    place: str
    overridden: tuple[tuple[Any, str], ...] = ()
    through: tuple[str, ...] = ()
    constant: bool = True
    cfg_options: tuple[str, ...] = ()
    config: str = "config.py"


BASE = "wrapper = dict(lr=0.1, decay=dict(rate=0.5, layers=6), betas=[0.9, 0.99])\n"
ZOO_BASE = "mmdet::_base_/schedules/schedule_1x.py"

CHAINS = (
    Chain("assignment", {"config.py": "a = 1\nb = dict(c=2, d={'e': 3})\n"}, "b.d.e", 3, "config.py:2:23"),
    Chain("one base", {"base.py": BASE, "config.py": "_base_ = 'base.py'\n"}, "wrapper.lr", 0.1, "base.py:1:19"),
    Chain(
        "a child overrides",
        {"base.py": BASE, "config.py": "_base_ = ['base.py']\nwrapper = dict(\n    decay=dict(layers=12))\n"},
        "wrapper.decay.layers",
        12,
        "config.py:3:23",
        ((6, "base.py:1"),),
    ),
    Chain(
        "a base of a base, in another folder",
        {
            "base/one.py": BASE,
            "base/two.py": "_base_ = './one.py'\nwrapper = dict(decay=dict(layers=7))\n",
            "config.py": "_base_ = 'base/two.py'\nwrapper = dict(decay=dict(layers=8))\n",
        },
        "wrapper.decay.layers",
        8,
        "config.py:2:34",
        ((6, "base/one.py:1"), (7, "base/two.py:2")),
    ),
    Chain(
        "_delete_ keeps what stood there in mind",
        {
            "base.py": BASE,
            "config.py": "_base_ = 'base.py'\nwrapper = dict(decay=dict(_delete_=True, layers=3))\n",
        },
        "wrapper.decay.layers",
        3,
        "config.py:2:49",
        ((6, "base.py:1"),),
    ),
    Chain(
        "_delete_ below a base that was merged",
        {
            "one.py": BASE,
            "two.py": "_base_ = 'one.py'\nwrapper = dict(decay=dict(layers=7))\n",
            "config.py": "_base_ = 'two.py'\nwrapper = dict(_delete_=True, decay=dict(layers=8))\n",
        },
        "wrapper.decay.layers",
        8,
        "config.py:2:49",
        ((6, "one.py:1"), (7, "two.py:2")),
    ),
    Chain(
        "a list replaces a list",
        {"base.py": BASE, "config.py": "_base_ = 'base.py'\nwrapper = dict(betas=(0.8, 0.95))\n"},
        "wrapper.betas.1",
        0.95,
        "config.py:2:28",
        ((0.99, "base.py:1"),),
    ),
    Chain(
        "a number takes the place of a dict",
        {"base.py": "x = dict(y=1)\n", "config.py": "_base_ = 'base.py'\nx = None\n"},
        "x",
        None,
        "config.py:2:5",
        (({"y": 1}, "base.py:1"),),
    ),
    Chain(
        "a variable",
        {"config.py": "rate = 0.7\nother = rate\nwrapper = dict(decay=dict(rate=other))\n"},
        "wrapper.decay.rate",
        0.7,
        "config.py:1:8",
        through=("other", "rate"),
    ),
    Chain(
        "a variable that is assigned twice",
        {"config.py": "rate = 0.7\nrate = 0.8\nwrapper = dict(rate=rate)\nrate = 0.9\n"},
        "wrapper.rate",
        0.8,
        "config.py:2:8",
        through=("rate",),
    ),
    Chain(
        "an expression",
        {"config.py": "epochs = 12\nend = dict(at=epochs * 2 - 1)\n"},
        "end.at",
        23,
        "config.py:2:15",
        through=("epochs",),
        constant=False,
    ),
    Chain(
        "a dict with two names",
        {"config.py": "one = dict(lr=0.1)\ntwo = one\ntwo['lr'] = 0.2\nwrapper = dict(first=one)\n"},
        "wrapper.first.lr",
        0.2,
        "config.py:3:13",
        ((0.1, "config.py:1"),),
        through=("one",),
    ),
    Chain(
        "unpacked and overridden",
        {"config.py": "common = dict(lr=0.1, n=1)\nwrapper = dict(**common, m=2)\nlast = {**wrapper, 'lr': 0.3}\n"},
        "last.lr",
        0.3,
        "config.py:3:26",
        ((0.1, "config.py:1"),),
    ),
    Chain(
        "update, append and +=",
        {"config.py": "x = dict(l=[1])\nx.update(a=2, b=dict(c=3))\nx['l'].append(x['b'])\nx['l'] += [5]\n"},
        "x.l.1.c",
        3,
        "config.py:2:24",
        through=("x",),
    ),
    Chain(
        "+= of a number",
        {"config.py": "n = 5\nn += 1\n"},
        "n",
        6,
        "config.py:2:1",
        ((5, "config.py:1"),),
        through=("n",),
        constant=False,
    ),
    Chain(
        "{{_base_.x}}",
        {"base.py": "rate = 0.7\n", "config.py": "_base_ = 'base.py'\nwrapper = dict(rate={{ _base_.rate }})\n"},
        "wrapper.rate",
        0.7,
        "base.py:1:8",
        through=("_base_.rate",),
    ),
    Chain(
        "_base_.x in Python",
        {"base.py": BASE, "config.py": "_base_ = 'base.py'\nmine = dict(n=_base_.wrapper.decay.layers)\n"},
        "mine.n",
        6,
        "base.py:1:52",
        through=("_base_.wrapper",),
    ),
    Chain(
        "a base is edited in place",
        {"base.py": BASE, "config.py": "_base_ = 'base.py'\n_base_.wrapper.decay.layers = 9\n"},
        "wrapper.decay.layers",
        9,
        "config.py:2:31",
        ((6, "base.py:1"),),
    ),
    Chain(
        "an update of a base goes deep",
        {"base.py": BASE, "config.py": "_base_ = 'base.py'\nw = _base_.wrapper\nw.update(decay=dict(rate=0.1))\n"},
        "wrapper.decay.layers",
        6,
        "base.py:1:52",
    ),
    Chain(
        "slices and sums of lists",
        {
            "base.py": "steps = [dict(n=1), dict(n=2), dict(n=3)]\n",
            "config.py": "_base_ = 'base.py'\nsteps = _base_.steps[1:] + [dict(n=4)]\n",
        },
        "steps.1.n",
        3,
        "base.py:1:39",
        ((2, "base.py:1"),),
        through=("_base_.steps",),
    ),
    Chain(
        "a comprehension",
        {"config.py": "steps = [dict(n=i, m=7) for i in range(3) if i != 1]\n"},
        "steps.1.m",
        7,
        "config.py:1:22",
    ),
    Chain(
        "a loop and a condition",
        {"config.py": "mults = {}\nfor i in range(4):\n    if i % 2:\n        mults[f'stage{i}'] = dict(lr=0.5)\n"},
        "mults.stage3.lr",
        0.5,
        "config.py:4:38",
    ),
    Chain(
        "fileBasenameNoExtension",
        {"config.py": "a = 1; work_dir = 'runs/{{ fileBasenameNoExtension }}'; b = 2\n"},
        "work_dir",
        "runs/config",
        "config.py:1:19",
        through=("fileBasenameNoExtension",),
        constant=False,
    ),
    Chain(
        "behind a template on the line",
        {"config.py": "a = '{{ fileBasename }}'; b = dict(c=2)\n"},
        "b.c",
        2,
        "config.py:1:38",
    ),
    Chain(
        "an environment variable",
        {"config.py": "n = {{'$LRDECAY_TEST_LAYERS:12'}}\n"},
        "n",
        12,
        "config.py:1:5",
        through=("$LRDECAY_TEST_LAYERS",),
        constant=False,
    ),
    Chain(
        "a base in a zoo",
        {"config.py": f"_base_ = '{ZOO_BASE}'\noptim_wrapper = dict(optimizer=dict(lr=0.5))\n"},
        "optim_wrapper.optimizer.lr",
        0.5,
        "config.py:2:40",
        ((0.02, f"{ZOO_BASE}:22"),),
    ),
    Chain(
        "the scope of what comes from a zoo",
        {"config.py": f"_base_ = [\n    '{ZOO_BASE}']\n"},
        "optim_wrapper._scope_",
        "mmdet",
        "config.py:2:5",
        constant=False,
    ),
    Chain(
        "--cfg-options",
        {"base.py": BASE, "config.py": "_base_ = 'base.py'\n"},
        "wrapper.decay.layers",
        24,
        "--cfg-options:2:22",
        ((6, "base.py:1"),),
        cfg_options=("a=1", "wrapper.decay.layers=24"),
    ),
    Chain(
        "--cfg-options, an entry of a list",
        {"config.py": "steps = [dict(n=1, m=2), dict(n=3)]\n"},
        "steps.1.n",
        9,
        "--cfg-options:1:11",
        ((3, "config.py:1"),),
        cfg_options=("steps.1.n=9",),
    ),
    Chain(
        "custom_imports",
        {
            "base.py": "custom_imports = dict(imports=['math'], allow_failed_imports=False)\n",
            "config.py": "_base_ = 'base.py'\ncustom_imports = dict(imports=['cmath', 'math'])\n",
        },
        "custom_imports.imports.0",
        "cmath",
        "config.py:2:32",
        (("math", "base.py:1"),),
    ),
    Chain(
        "a deprecated config",
        {
            "base.py": BASE,
            "config.py": "_base_ = 'base.py'\n_deprecation_ = dict(expected='base.py', reference='x')\n",
        },
        "wrapper.decay.rate",
        0.5,
        "base.py:1:40",
    ),
    Chain(
        "JSON",
        {
            "base.json": '{"wrapper": {"lr": 0.1,\n  "decay": {"layers": 6}}}\n',
            "config.json": '{"_base_": "base.json",\n "wrapper": {"decay":\n   {"layers": 12}}}\n',
        },
        "wrapper.decay.layers",
        12,
        "config.json:3:15",
        ((6, "base.json:2"),),
        config="config.json",
    ),
    Chain(
        "YAML",
        {
            "base.yaml": "wrapper:\n  lr: 0.1\n  decay: {layers: 6}\n",
            "config.py": "_base_ = 'base.yaml'\nwrapper = dict(lr=0.2)\n",
        },
        "wrapper.decay.layers",
        6,
        "base.yaml:3:19",
    ),
    Chain(
        "read_base with a star",
        {
            "base.py": BASE,
            "config.py": (
                "from mmengine.config import read_base\nwith read_base():\n    from .base import *\n"
                "wrapper.update(decay=dict(layers=8))\n"
            ),
        },
        "wrapper.decay.layers",
        8,
        "config.py:4:34",
        ((6, "base.py:1"),),
    ),
    Chain(
        "read_base with another name",
        {
            "base.py": BASE,
            "config.py": (
                "from mmengine.config import read_base\nwith read_base():\n    from .base import wrapper as mine\n"
                "mine.decay.layers = 9\n"
            ),
        },
        "mine.decay.layers",
        9,
        "config.py:4:21",
        ((6, "base.py:1"),),
        through=("wrapper",),
    ),
    Chain(
        "read_base, merge and a class",
        {
            "base.py": BASE,
            "config.py": (
                "from torch.optim import SGD\nfrom mmengine.config import read_base\nwith read_base():\n"
                "    from .base import *\n\nwrapper.merge(dict(o=dict(type=SGD), decay=dict(_delete_=True, rate=1)))\n"
            ),
        },
        "wrapper.decay.rate",
        1,
        "config.py:6:69",
        ((0.5, "base.py:1"),),
    ),
)
