"""Configs that compute values: every option has mmengine's value, and no value is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.origins import config_origins
from tests.origins.chains import BASE
from tests.origins.tagged import differences

PROGRAMS = {
    "update": "a = dict(x=1)\na.update(dict(y=2), z=3)\na.update([('w', 4)])\na.update(**dict(v=5))\n",
    "pop": "a = dict(x=1, y=[1, 2, 3])\nb = a.pop('x')\nc = a['y'].pop()\nd = a['y'].pop(0)\ne = a.pop('q', 7)\n",
    "get": "a = dict(x=1)\nb = a.get('x')\nc = a.get('q', 5)\nd = dict(e=a.get('q'))\n",
    "setdefault": "a = dict(x=1)\na.setdefault('x', 2)\na.setdefault('y', [3])\na.setdefault('z')\n",
    "copy of a dict": "a = dict(x=dict(y=1), z=[1])\nb = a.copy()\nb['w'] = 2\nb['x']['y'] = 3\n",
    "copy of a list": "a = [1, [2]]\nb = a.copy()\nb[1].append(3)\nb.append(4)\n",
    "clear": "a = dict(x=1)\na.clear()\na['y'] = 2\nb = [1]\nb.clear()\nb.append(2)\n",
    "items": "a = dict(x=1, y=2)\nb = {}\nfor key, value in a.items():\n    b[key + '_'] = value\ndel key, value\n",
    "keys and values": "a = dict(x=1, y=2)\nb = list(a.keys())\nc = [x for x in a.values()]\nd = [k for k in a]\n",
    "append and extend": "a = [1]\na.append(2)\na.extend([3, 4])\na.extend((5, 6))\n",
    "insert and reverse": "a = [1, 2]\na.insert(0, 3)\na.reverse()\nb = a.index(2)\nc = (4, 5).index(5)\n",
    "strings": (
        "a = 'x'.upper() + 'Y'.lower()\nb = '-'.join(['a', 'b'])\nc = 'n{}'.format(3)\nd = 'a/b'.split('/')\n"
        "e = 'abc'.replace('b', 'd')\nf = 'abc'.startswith('a')\ng = ' a '.strip()\n"
    ),
    "arithmetic": "a = 2 ** 8 / 16 // 1 % 7\nb = -3 + +2 - ~1\nc = not True\nd = 1 << 4 | 3 & 2 ^ 1\ne = 256 >> 2\n",
    "lists": "a = [1] + [2]\nb = [0] * 3\nc = 2 * (1,)\nd = (1,) + (2,)\n",
    "a union of dicts": "a = dict(x=1) | dict(y=2)\n",
    "formatted": "n = 3\na = 'a%s' % n\nb = f'{n}x{n + 1}'\n",
    "comparisons": "a = 1 < 2 <= 2 != 3\nb = 3 in [3]\nc = 3 not in [3]\nd = None is None\ne = 1 == 1.0 and 2 > 1\n",
    "a choice": "a = 1 if 2 > 1 else 3\nif a == 1:\n    b = 4\nelif a == 2:\n    b = 5\nelse:\n    b = 6\n",
    "loops": (
        "a = []\nfor i in range(6):\n    if i == 1:\n        continue\n    if i == 4:\n        break\n    a.append(i)\n"
        "else:\n    a.append('all')\nfor i in [7]:\n    a += [i]\nelse:\n    b = 8\n"
    ),
    "slices": "a = [1, 2, 3, 4]\na[1:2] = [5, 6]\ndel a[0]\nb = a[-1]\nc = a[1:]\nd = a[::2]\ndel a[1:]\n",
    "augmented": "a = [1]\na += [2]\nb = 3\nb *= 2\nc = dict(x=[1], y=1)\nc['x'] += [2]\nc['y'] -= 4\n",
    "deleted": "a = dict(x=1, y=2)\ndel a['x']\nb = 3\ndel b\n",
    "unpacked": "a, (b, c) = 1, (2, 3)\n[d, e] = dict(x=1, y=2)\nf = [*[b, c], 5]\ng = {**dict(x=1), 'y': 2}\n",
    "built-in functions": (
        "a = len([1, 2])\nb = max(1, 2) + min([3, 4]) + sum([5]) + abs(-6)\nc = sorted([3, 1])\nd = list(range(3))\n"
        "e = [x + y for x, y in zip([1, 2], [3, 4])]\nf = [i * v for i, v in enumerate([5, 6])]\ng = int('7')\n"
        "h = float(8)\ni = round(9.6)\nj = tuple([1])\nk = str(2)\nl = list(reversed([1, 2]))\nm = dict([('n', 3)])\n"
    ),
    "of a base": (
        "_base_ = 'base.py'\nwrapper = _base_.wrapper\nwrapper.update(lr=0.2, decay=dict(rate=0.6))\n"
        "wrapper.betas[0] = 0.8\nwrapper.decay.layers += 1\nother = _base_.wrapper.get('lr') * 2\n"
    ),
    "merged": "_base_ = 'base.py'\nwrapper = _base_.wrapper\nwrapper.merge(dict(decay=dict(layers=3), new=1))\n",
    "comprehensions": (
        "a = {f'k{i}': dict(lr_mult=0.5 ** i) for i in range(3) if i != 1}\nb = [x for y in [[1], [2]] for x in y]\n"
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_computed_values_of_a_config(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.py").write_text(BASE)
    Path("config.py").write_text(PROGRAMS[program])
    assert differences("config.py", ()) == ([], [])
    assert [option.option for option in config_origins("config.py").options() if option.origin.unknown] == []
