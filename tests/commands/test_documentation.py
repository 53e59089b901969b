"""README and docs: every command runs on a small real project, and every link has a target."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from lrdecay_cli.app.shell.arguments import spread_cfg_options
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.openmmlab.building import build_model, build_optimizer, training_scope
from lrdecay_cli.openmmlab.config_file import load_config
from lrdecay_cli.rules.registry import BASE
from tests.commands.test_help import commands, examples

ROOT = Path(__file__, "../../..").resolve()
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]
HELP = " --help"
# These commands need a whole zoo, a cluster or another repository, change the configs or never end. Other tests run
# them; here they are only parsed.
ELSEWHERE = re.compile(
    r"mmdet::|--dask|doctor --full|git worktree|--stacks|\.\./main|--shard|^lrdecay merge|--fix|--diff"
    r"|--watch|^lrdecay watch"
)
# A third stage for which the base's num_layers is wrong, so that check and suggest have something to report.
CONFIG = f"""{BASE.replace("[1, 1, 9, 1]", "[3, 3, 27, 3]")}
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=True, T_max=12, begin=0, end=12)]
train_dataloader = dict(batch_size=2)
auto_scale_lr = dict(base_batch_size=16)
"""


def shown(page: str) -> list[str]:
    """Return every command of a page's console blocks, in order, without comments; for a help page, its examples."""
    if page.endswith(HELP):
        return examples(page.removesuffix(HELP))
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    return [re.split(r"\s{2,}#", line.removeprefix("$ "))[0].strip() for line in lines if line.startswith("$ ")]


ALL = [(page, command) for page in (*PAGES, *(f"{name}{HELP}" for name in commands())) for command in shown(page)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with all files that the pages name; the commands of a page run one after the other in it."""
    root = tmp_path_factory.mktemp("project")
    (root / ".git").mkdir()
    (root / "configs").mkdir()
    (root / "config.py").write_text(CONFIG)
    (root / "before.py").write_text(CONFIG)
    for name in ("after.py", "configs/one.py", "configs/two.py"):
        (root / name).write_text(CONFIG.replace("decay_rate=0.7", "decay_rate=0.8"))
    config = load_config(str(root / "config.py"), {})
    with training_scope(config):
        model = build_model(config, "config.py", "cpu").model
        (optimizer,) = build_optimizer(config, model, "config.py").optimizers.values()
    torch.save(
        {"meta": {"epoch": 3, "iter": 21990}, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()},
        root / "epoch_3.pth",
    )
    logs = root / "work_dirs/mine/20260101_120000/vis_data"
    logs.mkdir(parents=True)
    (logs / "config.py").write_text(CONFIG)
    lines = [
        {"lr": 1e-6, "base_lr": 5e-5, "epoch": 1, "step": 50},
        {"lr": 1e-5, "base_lr": 1e-4, "epoch": 2, "step": 7380},
    ]
    (logs / "scalars.json").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    shutil.copy(root / "epoch_3.pth", root / "work_dirs/mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in ("map.json", "baseline.json", "base.json", "audited.json"):
            assert run(["inspect", "config.py", "--output", f"json={name}", "--output", "text=nowhere.txt"]) == 0
        assert run(["inspect", "after.py", "--output", "json=head.json", "--output", "text=nowhere.txt"]) == 0
        assert run(["scan", "configs", "--maps", "maps", "--output", "text=nowhere.txt"]) == 0
        assert run(["baseline", "configs/", "-o", "baselines/"]) == 0
    return root


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] * (page == "docs/commands.md"))
        for page in dict.fromkeys(page for page, _ in ALL)
    ],
)
def test_every_command_runs(
    page: str, project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    for command in shown(page):
        if ELSEWHERE.search(command) or not command.startswith("lrdecay "):
            continue
        arguments = shlex.split(re.split(r" >>? ", command)[0])[1:]
        code = run(arguments)
        captured = capfd.readouterr()
        # Exit code 1 is a result: findings, or two sides that differ.
        assert code in (0, 1), (command, captured.err)
        assert captured.out, command
        assert captured.err == "", command


@pytest.mark.parametrize(("page", "command"), [each for each in ALL if ELSEWHERE.search(each[1])])
def test_the_others_are_understood(page: str, command: str) -> None:
    call = re.search(r"lrdecay ([^)>]*)", command)
    if call is None:
        assert command.startswith("git ")
        return
    arguments = spread_cfg_options(shlex.split(call[1]))
    commands()[arguments[0]].make_context(arguments[0], arguments[1:])


def test_commands_are_found() -> None:
    assert len(ALL) > 40
    assert ("README.md", "lrdecay check config.py") in ALL


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        with suppress(OSError):
            assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), target


def test_every_page_is_linked() -> None:
    linked = {page for page in PAGES for other in PAGES if f"({Path(page).name}" in _links(other)}
    assert linked | {"README.md"} == set(PAGES)


def _links(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8").replace("(docs/", "(")
