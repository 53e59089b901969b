"""``lrdecay check --fix`` and ``--diff`` on a small config: written files, diffs and messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lrdecay_cli.app.requests.fixes import FixPlan, write_plan
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.rules.registry import BASE
from tests.commands.running import lrdecay

WRONG = "_base_ = 'base.py'\noptim_wrapper = dict(paramwise_cfg=dict(num_layers=12))  # of ConvNeXt-S\n"
RIGHT = WRONG.replace("12", "6")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.py").write_text(WRONG)
    return tmp_path


DIFF = """\
--- a/config.py
+++ b/config.py
@@ -1,2 +1,2 @@
 _base_ = 'base.py'
-optim_wrapper = dict(paramwise_cfg=dict(num_layers=12))  # of ConvNeXt-S
+optim_wrapper = dict(paramwise_cfg=dict(num_layers=6))  # of ConvNeXt-S
"""


def test_diff_shows_and_writes_nothing(project: Path) -> None:
    done = lrdecay("check", "config.py", "--diff", cwd=project)
    assert (done.code, done.out) == (1, DIFF)
    assert "would fix LRD203 of config.py: set optim_wrapper.paramwise_cfg.num_layers=6" in done.err
    assert (project / "config.py").read_text() == WRONG
    patched = subprocess.run(["git", "apply", "-"], cwd=project, input=done.out.encode(), check=False)
    assert (patched.returncode, (project / "config.py").read_text()) == (0, RIGHT)
    again = lrdecay("check", "config.py", "--diff", cwd=project)
    assert (again.code, again.out) == (0, "")


APPLY, PATCH = ["git", "apply"], ["patch", "-p1", "-s"]


@pytest.mark.parametrize(
    ("repository", "config", "run_in", "apply_in", "tool"),
    [
        (True, "configs/s.py", ".", ".", APPLY),
        (True, "configs/s.py", ".", ".", PATCH),
        (True, "sub/configs/s.py", "sub", "sub", APPLY),
        (True, "sub/configs/s.py", "sub", "sub", PATCH),
        (False, "configs/s.py", ".", ".", APPLY),
        (False, "my configs/two words.py", ".", ".", APPLY),
        (True, "my configs/two words.py", ".", ".", PATCH),
        # A file above the working directory: git rejects a path with "..".
        (True, "sub/configs/s.py", "sub/other", ".", APPLY),
        (True, "sub/configs/s.py", "sub/other", ".", PATCH),
    ],
)
def test_git_and_patch_apply_the_diff(
    repository: bool, config: str, run_in: str, apply_in: str, tool: list[str], project: Path
) -> None:
    if repository:
        subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    file, here = project / config, project / run_in
    for folder in (file.parent, here):
        folder.mkdir(parents=True, exist_ok=True)
    file.write_text(WRONG.replace("base.py", os.path.relpath(project / "base.py", file.parent)))
    done = lrdecay("check", os.path.relpath(file, here), "--diff", cwd=here)
    assert done.code == 1, done.err
    applied = subprocess.run(tool, cwd=project / apply_in, input=done.out.encode(), capture_output=True, check=False)
    assert applied.returncode == 0, (applied, done.out)
    assert "num_layers=6" in file.read_text()


def test_fix_writes_and_checks_again(project: Path) -> None:
    (project / "config.py").chmod(0o640)
    (project / "link.py").symlink_to("config.py")
    done = lrdecay("check", "link.py", "--fix", "--format", "json", "--fail-on", "warning", cwd=project)
    assert done.code == 0
    assert [finding for finding in json.loads(done.out)["findings"] if finding["severity"] != "info"] == []
    assert DIFF in done.err
    assert "fixed 1 finding in 1 file" in done.err
    assert (project / "config.py").read_text() == RIGHT
    assert (project / "config.py").stat().st_mode & 0o777 == 0o640
    assert (project / "link.py").is_symlink()


def test_the_check_afterwards_is_of_the_new_files(project: Path) -> None:
    """The cache contains the map of the old config."""
    cache = {"LRDECAY_NO_CACHE": "", "LRDECAY_CACHE_DIR": str(project / "cache")}
    for words, code in (((), 1), (("--fix",), 0), ((), 0)):
        done = lrdecay("check", "config.py", "--fail-on", "warning", *words, cwd=project, **cache)
        assert done.code == code, done.err


def test_an_option_that_an_earlier_fix_removes_needs_no_fix(project: Path) -> None:
    """Once the keys are in the right place, weight decay no longer applies to the named norms."""
    config = project / "config.py"
    head = "_base_ = 'base.py'\noptim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict("
    config.write_text(f"{head}_delete_=True, norm=dict(decay_mult=0.0), downsample_layers=dict(decay_mult=0.0)))\n")
    found = lrdecay("check", "config.py", "--format", "concise", cwd=project).out
    assert {"LRD401", "LRD501"} <= {line.split()[1] for line in found.splitlines()}
    done = lrdecay("check", "config.py", "--fix", "--format", "concise", "--fail-on", "warning", cwd=project)
    assert done.code == 0, done.err
    assert "fixed LRD501" in done.err
    assert "fixed LRD401" not in done.err


@pytest.mark.parametrize(
    ("wrong", "right", "fix"),
    [
        (
            "decay_rat=0.8",
            "decay_rate=0.8",
            "rename decay_rat: decay_rate=0.8 then overrides decay_rate=0.7 of the base",
        ),
        ("layer_decay_rate=0.8", "decay_rate=0.8", "rename layer_decay_rate: decay_rate=0.8 then overrides"),
        ("decay_rat=0.7", "", "remove decay_rat: decay_rate already has the same value"),
        (
            "decay_rate=0.9, decay_rat=0.8",
            None,
            "remove decay_rat, or rename it: decay_rate=0.8 instead of decay_rate=",
        ),
        (
            "custom_keys=dict(head=dict(lr_mul=5.0))",
            "custom_keys=dict(head=dict(lr_mult=5.0))",
            "rename lr_mul: lr_mult=",
        ),
        ("custom_key=dict(head=dict(lr_mult=5.0))", "custom_keys=dict(head=dict(lr_mult=5.0))", "rename custom_key: "),
    ],
)
def test_a_misspelt_option_overrides_the_inherited_one(wrong: str, right: str | None, fix: str, project: Path) -> None:
    if "custom_key" in wrong:
        with (project / "base.py").open("a") as base:
            base.write(
                "optim_wrapper['constructor'] = 'DefaultOptimWrapperConstructor'\n"
                "optim_wrapper['paramwise_cfg'] = dict(custom_keys=dict(head=dict(lr_mult=2.0)))\n"
            )
    config = project / "config.py"
    text = "_base_ = 'base.py'\noptim_wrapper = dict(paramwise_cfg=dict({}))\n"
    config.write_text(text.format(wrong))
    done = lrdecay("check", "config.py", "--select", "LRD501,LRD503,LRD504", cwd=project)
    assert f"fix     {fix}" in done.out
    lrdecay("check", "config.py", "--select", "LRD501,LRD503,LRD504", "--fix", cwd=project)
    assert config.read_text() == text.format(wrong if right is None else right)


SCHEDULERS = (
    "dict(type='LinearLR', start_factor=0.001, by_epoch={}, end=5)",
    "dict(type='CosineAnnealingLR', T_max=12, eta_min=1e-5, by_epoch={}, end=12)",
    "dict(type='MultiStepLR', milestones=[8, 11], by_epoch=True, end=12)",
)


@pytest.mark.parametrize(
    ("schedulers", "fixed"), [(SCHEDULERS[:2], 2), pytest.param(SCHEDULERS, 0, id="an overlap with the third")]
)
def test_all_schedulers_of_a_list_are_fixed_or_none(schedulers: tuple[str, ...], fixed: int, project: Path) -> None:
    """With the warm-up alone in epochs, the peak lr of the second list would be 98 times the configured lr."""
    config = project / "config.py"
    text = f"_base_ = 'base.py'\nparam_scheduler = [{', '.join(schedulers)}]\n"
    config.write_text(text.format(False, False))
    done = lrdecay("check", "config.py", "--fix", "--select", "LRD606,LRD608", cwd=project)
    assert config.read_text() == text.format(bool(fixed), bool(fixed))
    assert f"fixed {fixed} findings" in done.err
    assert done.err.count("not fixed: LRD608") == 2 - fixed


def test_the_fix_with_the_fewest_edits_is_tried_first(project: Path) -> None:
    """With keys for single gammas first, one key for all stages would override them and could not be added."""
    config = project / "config.py"
    keys = "'backbone': dict(lr_mult=0.1), 'stages': dict(lr_mult=0.3), '.gamma': dict(decay_mult=0.0)"
    config.write_text(
        "_base_ = 'base.py'\noptim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        f"    paramwise_cfg=dict(_delete_=True, custom_keys={{{keys}}}))\n"
    )
    done = lrdecay("check", "config.py", "--fix", "--select", "LRD506", "--fail-on", "warning", cwd=project)
    assert done.code == 0, done.out
    assert "'backbone.stages'" in config.read_text()


def test_unfixable_findings_are_reported_and_remain(project: Path) -> None:
    (project / "other").mkdir()
    done = lrdecay("check", "../config.py", "--fix", "--fail-on", "warning", cwd=project / "other")
    assert done.code == 1
    assert "not fixed: LRD203 of ../config.py: " in done.err
    assert "is outside the project" in done.err
    assert (project / "config.py").read_text() == WRONG


def test_the_document_has_the_edits(project: Path) -> None:
    done = lrdecay("check", "config.py", "--format", "json", cwd=project)
    (finding,) = (each for each in json.loads(done.out)["findings"] if each["code"] == "LRD203")
    option = "optim_wrapper.paramwise_cfg.num_layers"
    edit = {"action": "set", "option": option, "keys": option.split("."), "value": 6}
    assert finding["fixes"] == [{"edits": [edit], "automatic": True}]


def plan(file: Path) -> FixPlan:
    return FixPlan((), (), {file: WRONG}, {file: RIGHT})


def test_a_file_that_was_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text("other = 1\n")
    with pytest.raises(LrdecayError, match="the file changed during the check"):
        write_plan(plan(file))
    assert file.read_text() == "other = 1\n"


KILLED = """\
import os, signal, sys
from pathlib import Path
from tests.commands.test_check_fix import plan
from lrdecay_cli.app.requests.fixes import write_plan

kind, when = sys.argv[2:]
real = Path.replace
def replace(self, target):
    if when == "after":
        real(self, target)
    os.kill(os.getpid(), getattr(signal, kind))
    return real(self, target)
Path.replace = replace
write_plan(plan(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("kind", ["SIGKILL", "SIGINT"])
@pytest.mark.parametrize(("when", "text"), [("before", WRONG), ("after", RIGHT)])
def test_an_interrupted_write_leaves_the_old_or_the_new_file(kind: str, when: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text(WRONG)
    root = Path(__file__, "../../..").resolve()
    command = [sys.executable, "-c", KILLED, str(file), kind, when]
    ended = subprocess.run(
        command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False, capture_output=True
    )
    assert ended.returncode == -getattr(signal, kind)
    assert file.read_text() == text
