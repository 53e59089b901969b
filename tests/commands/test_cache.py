"""The cache end to end, with real configs and models. A hit is recognised by the modules that are not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.commands import preloaded
from tests.commands.running import SAMPLES, UNSET, measured

BASE = """
default_scope = "mmpretrain"
model = dict(type="mmpretrain.ImageClassifier", backbone=dict(type="PluginBackbone", arch="atto"))
custom_imports = dict(imports=["plugin"], allow_failed_imports=False)
"""
CONFIG = """
_base_ = "base.py"
optim_wrapper = dict(optimizer=dict(type="SGD", lr={{'$BASE_LR:0.5'}}, weight_decay=0.25))
"""
PLUGIN = """
from mmpretrain.models import ConvNeXt
from mmpretrain.registry import MODELS

@MODELS.register_module()
class PluginBackbone(ConvNeXt):
    def __init__(self, **options):
        super().__init__(out_indices=(3,), **options)
"""
NAN = 'optim_wrapper = dict(optimizer=dict(type="SGD", lr=1.0, weight_decay=float("nan")))\n'


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    messages: str
    """stderr without the list of imports."""
    imported: frozenset[str]
    loads: int = 0
    """Number of configs that mmengine loaded in a forked command."""

    @property
    def built(self) -> bool:
        return "torch" in self.imported or self.loads > 0


@dataclass(frozen=True)
class Project:
    root: Path

    def run(self, *arguments: str, **environment: str) -> Ran:
        """Run a command in a cold process; its imports show whether it builds."""
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "lrdecay_cli", *arguments],
            cwd=self.root / "work",
            # A test may disable the measurement.
            env={**self.environment(), **measured(), **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        lines = done.stderr.splitlines()
        imports = frozenset(line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:"))
        messages = [line for line in lines if not line.startswith("import time:")]
        return Ran(done.returncode, done.stdout, "\n".join(messages), imports)

    def build(self, *arguments: str, **environment: str) -> Ran:
        """Run a command that builds, forked from a preloaded process. It stores the same results as a cold one."""
        reader, writer = os.pipe()
        command = (arguments, str(self.root / "work"), self.environment(**environment), "")
        code, out, err = preloaded.run(*command, loads=writer)
        with os.fdopen(reader, "rb") as pipe:
            return Ran(code, out, err.rstrip("\n"), frozenset(), len(pipe.read()))

    def environment(self, **environment: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name not in UNSET},
            "PYTHONPATH": str(SAMPLES.parent),
            "LRDECAY_CACHE_DIR": str(self.root / "cache"),
            "LRDECAY_NO_CACHE": "",
            **environment,
        }

    def entries(self) -> list[str]:
        return sorted(path.name.partition("-")[0] for path in (self.root / "cache").glob("*"))


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after one ``inspect``."""
    project = Project(tmp_path_factory.mktemp("warm"))
    (project.root / "work").mkdir()
    for name, text in (("base.py", BASE), ("config.py", CONFIG), ("plugin.py", PLUGIN)):
        (project.root / "work" / name).write_text(text)
    cold = project.run("inspect", "config.py")
    assert (cold.code, cold.messages, cold.built) == (0, "", True)
    assert sorted({*project.entries()}) == ["files", "map", "report"]
    (project.root / "cold.txt").write_text(cold.out)
    return project


def test_a_hit_is_the_same_text_and_imports_nothing_slow(warm: Project) -> None:
    hit = warm.run("inspect", "config.py", COVERAGE_PROCESS_START="")
    assert (hit.code, hit.messages) == (0, "")
    assert hit.out == (warm.root / "cold.txt").read_text()
    assert hit.imported.isdisjoint({"torch", "mmengine", "typer", "msgspec", "rich", "typing", "re", "json", "pathlib"})


def test_another_view_and_diff_use_the_cached_map(warm: Project) -> None:
    as_json = warm.run("inspect", "config.py", "--format", "json", f"--output=json={warm.root}/map.json")
    assert (as_json.code, as_json.built) == (0, False)
    by_layer = warm.run("inspect", "config.py", "--by", "parameter")
    assert (by_layer.code, by_layer.built) == (0, False)
    assert "typer" not in warm.run("inspect", "config.py", "--by", "parameter").imported
    compared = warm.run("diff", "config.py", f"{warm.root}/map.json")
    assert (compared.code, compared.built) == (0, False)
    # Output files must be written each time.
    (warm.root / "map.json").unlink()
    warm.run("inspect", "config.py", "--format", "json", f"--output=json={warm.root}/map.json")
    assert (warm.root / "map.json").read_text() == as_json.out


@pytest.mark.slow
def test_each_of_several_configs_is_cached(warm: Project) -> None:
    """Any command may have built the configs, in child processes; if one config changes, only that one is built."""
    names = ["first.py", "second.py", "third.py"]
    # A file that no config reads is not an input.
    (warm.root / "work/flat_base.py").write_text(BASE + "optimizer = dict(type='SGD', lr=2.0)\n")
    for name in names:
        (warm.root / "work" / name).write_text(CONFIG.replace("base.py", "flat_base.py"))
    check = ("check", *names, "--format", "json")
    cold, hit = warm.build(*check), warm.run(*check)
    assert (cold.built, hit.built) == (True, False)
    assert (hit.code, hit.out) == (cold.code, cold.out)
    found = json.loads(cold.out)["findings"]
    assert [(each["config"], each["place"]["file"], each["place"]["line"]) for each in found] == [
        (name, "flat_base.py", 5) for name in names
    ]
    # The result for a single config equals its result among others.
    assert json.loads(warm.run("check", "second.py", "--format", "json").out)["findings"] == [found[1]]
    (warm.root / "work/third.py").write_text(CONFIG.replace("base.py", "flat_base.py").replace("0.5", "0.125"))
    changed = warm.build(*check, "--verbose")
    assert changed.built
    errors = [line.partition(";")[0] for line in changed.messages.splitlines() if line.startswith("lrdecay: ")]
    cached = [f"lrdecay: {name}: from the cache" for name in names[:2]]
    assert [line for line in errors if "from the cache" in line] == cached
    assert [line.partition(": changed: ")[0] for line in errors if ": changed: " in line] == ["lrdecay: third.py"]
    for command in (("scan", "second.py", "third.py"), ("diff", "first.py", "second.py"), ("inspect", "second.py")):
        answered = warm.run(*command)
        assert (answered.code, answered.built) == (0, False)
    # Isolated builds neither read nor write the cache.
    assert warm.build("scan", "second.py", "--isolate").built


@pytest.mark.parametrize("command", [("check",), ("schedule", "--iters-per-epoch=10"), ("suggest",)])
def test_reports_of_other_commands_are_cached(command: tuple[str, ...], warm: Project) -> None:
    """The report is made again when a base of the config changes."""
    name, *options = command
    (warm.root / f"work/{name}_base.py").write_text(BASE)
    (warm.root / f"work/{name}.py").write_text(
        CONFIG.replace("base.py", f"{name}_base.py") + "train_cfg = dict(by_epoch=True, max_epochs=2)\n"
    )
    build, ask = (partial(way, name, f"{name}.py", *options) for way in (warm.build, warm.run))
    made, cached = build(), ask(COVERAGE_PROCESS_START="")
    assert (made.built, "typer" in cached.imported, "msgspec" in cached.imported) == (True, False, False)
    assert (cached.code, cached.out, cached.messages) == (made.code, made.out, "")
    assert made.code == 0
    (warm.root / f"work/{name}_base.py").write_text(BASE.replace("atto", "nano"))
    assert build().built


def test_the_error_of_a_config_without_training_is_cached(warm: Project) -> None:
    """In a folder with several configs, the others are still checked."""
    (warm.root / "work/mixed").mkdir()
    (warm.root / "work/mixed/data.py").write_text("train_dataloader = dict(batch_size=2)\n")
    (warm.root / "work/mixed/config.py").write_text(CONFIG.replace("base.py", "../base.py"))
    made, cached = warm.build("check", "mixed"), warm.run("check", "mixed")
    again = warm.run("check", "mixed", "--format=json")
    assert [ran.built for ran in (made, cached, again)] == [True, False, False]
    assert (cached.out, cached.code) == (made.out, made.code)


def test_a_page_is_made_again_from_the_cached_map(warm: Project) -> None:
    """Its templates are not modules, so changes of them are not detected."""
    pages = [warm.run("inspect", "config.py", "--format", "html") for _ in range(2)]
    assert pages[0].out == pages[1].out
    assert [(page.code, page.built, "jinja2" in page.imported) for page in pages] == [(0, False, True)] * 2


def test_verbose_reports_the_source_of_the_answer(warm: Project) -> None:
    printed = warm.run("inspect", "config.py", "-v")
    assert printed.messages == "lrdecay: config.py: from the cache; --no-cache builds the config again"
    assert not printed.built


@pytest.mark.parametrize("off", [["--no-cache"], []])
def test_it_can_be_switched_off(off: list[str], warm: Project) -> None:
    before = warm.entries()
    answered = warm.build("inspect", "config.py", "--by", "layer", *off, **({} if off else {"LRDECAY_NO_CACHE": "1"}))
    assert (answered.code, answered.built) == (0, True)
    assert warm.entries() == before


def test_two_configs_of_one_command_and_their_options(warm: Project) -> None:
    """Each config is built in its own process, and its result is stored."""
    (warm.root / "work/other.py").write_text('_base_ = "config.py"\n')
    (warm.root / "work/third.py").write_text('_base_ = "config.py"\n')
    maps = warm.entries().count("map")
    options = ["--cfg-options", "optim_wrapper.optimizer.lr=0.125"]
    both = warm.build("diff", "other.py", "third.py", *options, "-v")
    assert (both.code, both.built) == (0, True)
    assert warm.entries().count("map") == maps + 2
    again = warm.run("diff", "other.py", "third.py", *options, "-v")
    assert (again.code, again.built, again.messages.count("from the cache")) == (0, False, 2)
    shown = warm.run("inspect", "other.py", *options, "--format", "json")
    assert (shown.built, json.loads(shown.out)["base_lr"]) == (False, 0.125)


def test_edits_are_seen(warm: Project) -> None:
    """The configs are built one after the other, and each uses the cache entries of the previous one."""
    seen = warm.build("inspect", "config.py", "--format", "json", BASE_LR="0.75")
    assert (seen.built, json.loads(seen.out)["base_lr"]) == (True, 0.75)
    base, plugin = warm.root / "work/base.py", warm.root / "work/plugin.py"
    before = base.stat()
    base.write_text(BASE.replace("atto", "nano"))
    os.utime(base, ns=(before.st_atime_ns, before.st_mtime_ns))
    larger = warm.build("inspect", "config.py", "--format", "json", BASE_LR="0.75")
    assert larger.built
    assert parameters(larger) > parameters(seen)
    plugin.write_text(PLUGIN.replace("(3,)", "(1, 3)"))
    more = warm.run("inspect", "config.py", "--format", "json", BASE_LR="0.75")
    assert more.built
    assert parameters(more) > parameters(larger)
    assert not warm.run("inspect", "config.py", "--format", "json", BASE_LR="0.75").built


def parameters(ran: Ran) -> int:
    return json.loads(ran.out)["model"]["totals"]["parameters"]


@pytest.mark.slow
def test_failures_and_numbers_outside_json_are_not_cached(warm: Project) -> None:
    before = warm.entries()
    (warm.root / "work/broken.py").write_text('raise RuntimeError("by design")\n')
    failed = warm.build("inspect", "broken.py")
    assert (failed.code, failed.messages.count("by design")) == (2, 1)
    (warm.root / "work/nan.py").write_text(f'_base_ = "base.py"\n{NAN}')
    printed = warm.build("inspect", "nan.py", "-v")
    assert (printed.code, "nan" in printed.out) == (0, True)
    assert "not cached: JSON cannot represent a number in the group map" in printed.messages
    assert warm.entries() == before


def test_an_unsafe_folder_is_reported_and_not_used(warm: Project) -> None:
    (warm.root / "open").mkdir()
    (warm.root / "open").chmod(0o777)
    (warm.root / "work/empty.py").write_text("")
    answered = warm.build("inspect", "empty.py", LRDECAY_CACHE_DIR=f"{warm.root}/open")
    assert (
        answered.messages.splitlines()[0]
        == f"lrdecay: the cache {warm.root}/open is not used: other users can write to the folder"
    )
    assert list((warm.root / "open").iterdir()) == []
