"""Lazy modules are real: importing them executes nothing, any use executes them, and then they are ordinary modules."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import LazyFinder, LazyModule, LazyName, execute, is_deferred

FILES = {
    "heavy/__init__.py": "class Thing:\n    size = 3\nclass Child(Thing): ...\ndef work(): return 'done'\nSIZE = 7\n",
    "heavy/inside/__init__.py": "from heavy import SIZE\nWIDTH = SIZE + 1\nclass Inner: ...\n",
    "heavy/plain.py": "VALUE = 1\n",
    "heavy/replaced.py": (
        "import sys, types\nnew = types.ModuleType('heavy.replaced')\nnew.VALUE = 6\nsys.modules[__name__] = new\n"
    ),
    "broken.py": "raise ImportError('too new')\n",
    "replaced.py": (
        "import sys, types\nnew = types.ModuleType('replaced')\nnew.VALUE = 5\nsys.modules[__name__] = new\nold = 1\n"
    ),
    "whole/__init__.py": "import order\norder.seen.append('whole')\n",
    "whole/folder/part.py": "import order\norder.seen.append('part')\n",
    "leader.py": "import order\norder.seen.append('leader')\n",
    "follower.py": "import order\norder.seen.append('follower')\nVALUE = 1\n",
    "order.py": "seen = []\n",
    "starred.py": "VALUE = 1\ndef shown(): ...\n",
    "absent_name.py": "",
    "loner.py": "import order\norder.seen.append('loner')\nVALUE = 1\n",
    "late.py": "import order\norder.seen.append('late')\n",
    "chain.py": "from heavy import Thing\n",
    "same/__init__.py": "from same.cond import cond\n",
    "same/extra.py": "VALUE = 9\n",
    "same/cond.py": "def cond(): return 'function'\n",
}
TABLE = {
    "heavy": ("Thing", "work"),
    "heavy.inside": ("Inner",),
    "broken": ("anything",),
    "replaced": ("VALUE",),
    "whole": (),
    "leader": (),
    "follower": (),
    "starred": ("*",),
    "absent_name": ("gone",),
    "loner": (),
    "late": (),
    "chain": ("Thing",),
    "same": ("cond", "extra"),
    "same.cond": ("cond",),
    "not_installed": ("anything",),
}


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        sys, "meta_path", [LazyFinder(TABLE, first=("leader", "late"), alone=("loner",)), *sys.meta_path]
    )
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in {*TABLE, "order"}]:
        del sys.modules[name]


def run(code: str) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "importer"}
    exec(code, namespace)
    return namespace


@pytest.mark.parametrize(
    "code",
    [
        "import heavy",
        "import heavy.inside as inside",
        "from heavy import Thing, work",
        "from heavy.inside import Inner",
        "from heavy import Thing as T\nclass Mine:\n    default = T\n    def use(self): return T()",
        "import heavy.plain",
        "import heavy\nheavy.__name__, heavy.__file__, heavy.__path__, heavy.__spec__",
        "import importlib.util\nimportlib.util.find_spec('heavy').submodule_search_locations",
        "from heavy import Thing\nsame = Thing is None",
        "from heavy import Thing\ndef use(a: Thing | None, b: int | list[int] | Thing, c: Thing | Thing): ...",
    ],
)
def test_importing_executes_nothing(code: str) -> None:
    run(code)
    assert not [name for name in sys.modules if name.startswith("heavy") and not is_deferred(name)]


# code: expected value of "result"
USES = {
    "from heavy import work\nresult = work()": "done",
    "from heavy import Thing\nresult = Thing().size": 3,
    "from heavy import Thing\nresult = Thing.size": 3,
    "from heavy import Thing\nresult = Thing.__name__": "Thing",
    "from heavy import Thing\nclass Mine(Thing): ...\nresult = Mine.__mro__[1].__name__": "Thing",
    "from heavy import Thing\nresult = isinstance(3, Thing)": False,
    "from heavy import Thing\nfrom heavy import Child\nresult = isinstance(Child(), Thing)": True,
    "from heavy import Thing\nfrom heavy import Child\nresult = issubclass(Child, Thing)": True,
    "from heavy import Thing\nimport inspect\nresult = inspect.isclass(Thing)": True,
    "from heavy import Thing\nresult = Thing == 3": False,
    "from heavy import Thing\nimport heavy\nresult = {heavy.Thing: 1}[Thing]": 1,
    "from heavy import Thing\nresult = bool(Thing)": True,
    "from heavy import Thing\nresult = (Thing | None).__args__[0].__name__": "Thing",
    "from heavy import Thing\nresult = len((int | list[int] | Thing | None).__args__)": 4,
    "from heavy import Thing\nresult = isinstance(3, Thing | int)": True,
    "from heavy import Thing\nimport typing\nresult = typing.get_args(Thing | None)[1].__name__": "NoneType",
    "from chain import Thing\nclass Mine(Thing): ...\nresult = Mine.__mro__[1].__module__": "heavy",
    "from same import cond\nimport same.cond\nresult = cond()": "function",
    "import same.cond\nfrom same import cond\nresult = cond()": "function",
    "from same import extra\nresult = extra.VALUE": 9,
    "import same.cond as cond\nresult = cond.__name__": "cond",
    "from heavy import Thing\nThing.size = 4\nimport heavy\nresult = heavy.Thing.size": 4,
    "from heavy import Thing\ndel Thing.size\nimport heavy\nresult = hasattr(heavy.Thing, 'size')": False,
    "import heavy\nresult = heavy.SIZE": 7,
    "from heavy import SIZE\nresult = SIZE": 7,
    "import heavy\nresult = 'SIZE' in vars(heavy) and 'SIZE' in dir(heavy)": True,
    "import heavy\nheavy.SIZE = 8\nresult = heavy.SIZE": 8,
    "from heavy import *\nresult = SIZE": 7,
    "import heavy.inside\nresult = heavy.inside.WIDTH": 8,
    "from heavy.plain import VALUE\nresult = VALUE": 1,
    "from heavy import inside\nresult = inside.WIDTH": 8,
    "import replaced\nresult = replaced.VALUE": 5,
    "from replaced import VALUE\nresult = VALUE + 0 if type(VALUE) is int else VALUE.real": 5,
    "import heavy\nimport heavy.replaced as taken\nresult = taken.VALUE": 6,
    "import heavy.replaced, sys\nheavy.replaced.VALUE\nresult = heavy.replaced is sys.modules['heavy.replaced']": True,
    # A folder without __init__ has no code to defer, and no module is imported before its package.
    "import order, whole.folder.part\nresult = order.seen": ["whole", "part"],
    "import leader, follower, order\nfollower.VALUE\nresult = order.seen": ["leader", "follower"],
    "import late, leader, follower, order\nfollower.VALUE\nresult = order.seen": ["late", "leader", "follower"],
    "import late, leader, order\nleader.order\nresult = order.seen": ["late", "leader"],
    "import leader, loner, order\nloner.VALUE\nresult = order.seen": ["loner"],
    "import leader, follower, order\nleader.order\nfollower.VALUE\nresult = order.seen": ["leader", "follower"],
    "from starred import *\nresult = 'shown' in globals()": False,
    "import starred\nresult = starred.shown.__name__": "shown",
}


@pytest.mark.parametrize("code", USES)
def test_a_use_is_one_of_the_real_thing(code: str) -> None:
    assert run(code)["result"] == USES[code]


def test_no_trace_remains_afterwards() -> None:
    namespace = run("import heavy\nimport heavy.inside\nfrom heavy import Thing, work as labour")
    assert isinstance(namespace["Thing"], LazyName)
    execute(sys.modules["heavy"])
    heavy = sys.modules["heavy"]
    assert type(heavy) is types.ModuleType
    assert namespace["Thing"] is heavy.Thing
    assert namespace["labour"] is heavy.work
    assert isinstance(heavy.__spec__.loader, importlib.machinery.SourceFileLoader)
    assert heavy.__loader__ is heavy.__spec__.loader
    # Modules that the package did not use stay lazy; modules imported from now on are not lazy.
    assert type(sys.modules["heavy.inside"]) is LazyModule
    importlib.import_module("heavy.plain")
    assert not is_deferred("heavy.plain")


def test_a_reimported_name_is_traced_to_its_source() -> None:
    namespace = run("from chain import Thing")
    execute(sys.modules["chain"])
    assert is_deferred("heavy")
    execute(sys.modules["heavy"])
    assert namespace["Thing"] is sys.modules["heavy"].Thing


def test_a_missing_module_fails_as_usual() -> None:
    for code in ("import not_installed", "from not_installed import anything", "import heavy.nowhere"):
        with pytest.raises(ModuleNotFoundError, match="No module named"):
            run(code)
    with pytest.raises(ImportError, match="cannot import name 'gone' from 'absent_name'"):
        run("from absent_name import gone\ngone()")
    with pytest.raises(AttributeError, match="gone"):
        run("import heavy\nheavy.gone")


def test_a_module_that_fails_does_so_at_every_use() -> None:
    namespace = run("from broken import anything")
    for _ in range(2):
        with pytest.raises(ImportError, match="too new"):
            namespace["anything"]()
    assert is_deferred("broken")
