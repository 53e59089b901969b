"""Cached reports of ``check``: reused while no input has changed, and made again otherwise."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cache.project import rewrite
from tests.checking.maps import decay_map, write
from tests.commands.running import Result, lrdecay

SUPPRESSED = '[[suppress]]\nrule = "LRD701"\nreason = "meant"\nuntil = 2027-01-31\n'


@dataclass
class Project:
    """Maps of two configs, and their baselines, which differ from the maps."""

    root: Path
    arguments: list[str] = field(default_factory=lambda: ["check", "maps", "--baseline", "golden", "--select", "LRD7"])
    environment: dict[str, str] = field(default_factory=lambda: {"LRDECAY_TODAY": "2027-01-01"})

    stdin: str = ""

    def ask(self, cache: str = "cache") -> tuple[bool, Result]:
        """Return whether the report was cached (its entry was read, and not written again), and the report."""
        before = self._reports()
        environment = {"LRDECAY_CACHE_DIR": str(self.root / cache), "LRDECAY_NO_CACHE": "", **self.environment}
        result = lrdecay(*self.arguments, cwd=self.root / "work", stdin=self.stdin, **environment)
        after = self._reports()
        used = [name for name in before if before[name][0] == after[name][0] and before[name] != after[name]]
        return bool(used), result

    def _reports(self) -> dict[str, tuple[int, int]]:
        found = {path.name: path.stat() for path in (self.root / "cache").glob("report-*")}
        return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}

    def file(self, name: str) -> Path:
        path = self.root / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def make(root: Path) -> Project:
    project = Project(root)
    (root / "work/.git").mkdir(parents=True)
    for name in "ab":
        project.file(f"configs/{name}.py").touch()
        write(project.file(f"maps/{name}.json"), decay_map(config=f"configs/{name}.py", lr=0.2))
        write(project.file(f"golden/configs/{name}.json"), decay_map(config=f"configs/{name}.py"))
    project.file("lrdecay.toml").write_text(SUPPRESSED)
    # A file that is written a hundredth of a second before a command starts may also change during the command.
    time.sleep(0.05)
    return project


def text(name: str, content: str) -> Callable[[Project], None]:
    return lambda project: project.file(name).write_text(content) and None


def of_other_map(name: str, **options: float) -> Callable[[Project], None]:
    return lambda project: write(project.file(name), decay_map(config="configs/a.py", **options))


def same_size(project: Project) -> None:
    golden = project.file("golden/configs/a.json")
    rewrite(golden, golden.read_text().replace("0.1", "0.3"))


def gone(name: str) -> Callable[[Project], None]:
    return lambda project: project.file(name).unlink()


CHANGES: dict[str, Callable[[Project], None]] = {
    "a map": of_other_map("maps/a.json", lr=0.3),
    "a map more": of_other_map("maps/c.json", lr=0.3),
    "a map less": gone("maps/b.json"),
    "a baseline": of_other_map("golden/configs/a.json", lr=0.2),
    "a baseline, same size and time": same_size,
    "a baseline gone": gone("golden/configs/a.json"),
    "settings": text("lrdecay.toml", SUPPRESSED.replace("meant", "said")),
    "settings gone": gone("lrdecay.toml"),
    "another project, so that baselines have other names": text("configs/lrdecay.toml", ""),
    "the day": lambda project: project.environment.update(LRDECAY_TODAY="2027-02-01"),
    "a default of an option": lambda project: project.environment.update(LRDECAY_FAIL_ON="info"),
    "an option": lambda project: project.arguments.append("--exit-zero"),
    "the form": lambda project: project.arguments.append("--format=github"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_a_miss(name: str, tmp_path: Path) -> None:
    project = make(tmp_path)
    (first, made), (second, cached) = project.ask(), project.ask()
    assert (first, second, made) == (False, True, cached), made
    assert "1 suppressed" in made.out
    CHANGES[name](project)
    hit, result = project.ask()
    assert not hit
    assert result == project.ask(cache="empty")[1]


HARMLESS: dict[str, Callable[[Project], None]] = {
    "nothing": lambda project: None,
    # For a map, the text of its config is not read.
    "the config that a map names": text("configs/a.py", "optim_wrapper = dict()\n"),
    "a touched map": lambda project: os.utime(project.file("maps/a.json")),
    "a file beside the settings": text("notes.txt", "x"),
    "another variable": lambda project: project.environment.update(SHLVL="7"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_irrelevant_changes_are_hits(name: str, tmp_path: Path) -> None:
    project = make(tmp_path)
    project.ask()
    HARMLESS[name](project)
    time.sleep(0.05)
    assert project.ask()[0]


@pytest.mark.parametrize("more", [["--output", "json=report.json"], ["-v"], ["--format", "html"], ["--no-cache"]])
def test_a_report_with_other_outputs_is_made_each_time(more: list[str], tmp_path: Path) -> None:
    project = make(tmp_path)
    project.arguments += more
    assert [project.ask()[0] for _ in range(2)] == [False, False]
    assert not list((tmp_path / "cache").glob("report-*"))


def test_cached_findings_keep_their_exit_code_and_failed_checks_are_not_cached(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.file("lrdecay.toml").unlink()
    assert [(hit, result.code) for hit, result in (project.ask(), project.ask())] == [(False, 1), (True, 1)]
    project.file("golden/configs/b.json").unlink()
    assert [(hit, result.code) for hit, result in (project.ask(), project.ask())] == [(False, 2), (False, 2)]


def test_a_map_on_stdin_is_read_each_time(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.arguments[1] = "-"
    for name, config in (("a", "configs/a.py"), ("b", "configs/b.py")):
        project.stdin = project.file(f"maps/{name}.json").read_text()
        project.file("lrdecay.toml").write_text("")
        assert config in project.ask()[1].out
