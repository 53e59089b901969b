"""A project with every type of input of a cached result, and functions that ask for this result."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import venv
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.commands.running import SAMPLES

CONFIG = """
import colorsys, json, os
import private, plugin
from package import part
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "base.py")) as base:
    exec(base.read())
try:
    import optional
    extra = optional.VALUE
except ImportError:
    extra = None
try:
    with open("local.json") as local:
        own = json.load(local)
except FileNotFoundError:
    own = None
with open("data.json") as data, open("link.txt") as link:
    answer = [BASE, plugin.VALUE, part.VALUE, private.VALUE, extra, own, json.load(data), link.read()]
answer += [getattr(colorsys, "VALUE", None), os.environ.get("LR_SCALE"), sorted(os.listdir("fragments")), os.getcwd()]
"""
FILES = {
    "work/config.py": CONFIG,
    "work/base.py": "BASE = 1\n",
    "work/plugin.py": "VALUE = 1\n",
    "work/package/__init__.py": "",
    "work/package/part.py": "VALUE = 1\n",
    "work/data.json": "1",
    "work/one.txt": "one",
    "work/two.txt": "two",
    "work/fragments/a.py": "",
    "first/unrelated.py": "",
    "site-packages/private/__init__.py": "from private.deep import VALUE\n",
    "site-packages/private/deep.py": "VALUE = 1\n",
    "site-packages/private-1.0.dist-info/METADATA": "Name: private\nVersion: 1.0\n",
}


@cache
def own_python() -> str:
    """An interpreter for this process alone: modules that other tests install or compile change a result."""
    folder = Path(tempfile.mkdtemp(prefix="lrdecay-python-"))
    atexit.register(shutil.rmtree, folder)
    venv.create(folder, symlinks=True, with_pip=False)
    return str(folder / "bin/python")


@dataclass
class Project:
    """The files under ``root``, and how Python is started there."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    cwd: str = "work"
    python: str = field(default_factory=own_python)
    prelude: str = ""
    """Code that Python runs before the lookup."""

    def ask(self, cache: str = "cache") -> dict[str, Any]:
        """Return whether the lookup was a hit, the reason for a miss, and the result."""
        done = subprocess.run(
            self.command(),
            env=self.env(cache),
            cwd=self.root / self.cwd,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def command(self) -> list[str]:
        # Not -m, which puts the working directory on sys.path by its name.
        program = f"{self.prelude}\nfrom tests.cache.asker import main; main()"
        return [self.python, *self.flags, "-c", program, "config.py", *self.arguments]

    def env(self, cache: str = "cache") -> dict[str, str]:
        paths = [self.root / "first", SAMPLES.parent, self.root / "site-packages"]
        mine = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "LRDECAY_CACHE_DIR": str(self.root / cache)}
        # Compiled modules have their own tests.
        return {**os.environ, "LRDECAY_NO_CACHE": "", "PYTHONDONTWRITEBYTECODE": "1", **mine, **self.environment}

    def file(self, name: str) -> Path:
        return self.root / "work" / name


def make(root: Path) -> Project:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "work/link.txt").symlink_to("one.txt")
    return Project(root)


def rewrite(path: Path, text: str) -> None:
    """Write other content of the same size, and restore the old time stamp."""
    before = path.stat()
    assert len(text) == before.st_size
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
