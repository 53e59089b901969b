"""Running a rule's example: the config is written, loaded and built for real, and the rules see its map."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.api.live import audit_optimizer
from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.domain.dry_run import DryRun
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.settings import Settings
from lrdecay_cli.files.config_text import comment_suppressions
from lrdecay_cli.files.settings_file import parse_settings
from lrdecay_cli.files.writing import to_json
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.dry_run import dry_run
from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan
from lrdecay_cli.rules import RULES, Example, Rule
from lrdecay_cli.rules.context.policy import Baseline
from lrdecay_cli.rules.registry import BASE
from tests.golden import Row, Table
from tests.registries import forget

PLUGIN = "custom_imports = dict(imports=['plugin'])\n"
FOUND = Table(
    Path(__file__).with_name("example_findings.csv"),
    ("code", "severity", "option", "patterns"),
    lambda: [rule.code for rule in RULES],
)
"""What each bad example is found to be about."""


def rows_of(findings: Iterable[Finding]) -> list[Row]:
    return [(one.code, one.severity, one.option, " ".join(one.patterns)) for one in findings]


def found_by(rule: Rule, example: Example, folder: Path) -> tuple[Finding, ...]:
    """What ``rule`` finds in an example, with the settings, comments and baseline that it has."""
    return judged(rule, example, folder, others=False).own


class Judged(NamedTuple):
    own: tuple[Finding, ...]
    """What the rule finds by itself."""
    others: tuple[Finding, ...]
    """What the other rules do."""
    group_map: GroupMap


def judged(rule: Rule, example: Example, folder: Path, *, others: bool = True) -> Judged:
    """What an example is found to be.

    The files of an example that are there already are built as they are.
    """
    baselines = {}
    config = str(folder / "config.py")
    if example.baseline is not None:
        (folder / "before").mkdir()
        before = map_of(Example(example.baseline, example.plugin), folder / "before")
        baselines = {config: Baseline("baseline.json", before)}
    dry_runs = {}
    if rule.scope == "training":
        dry_runs[config], group_map = dry_run_of(example, folder)
    else:
        group_map = map_of(example, folder)
    found = [
        check_maps(
            [group_map],
            rules,
            settings=parse_settings(example.settings.encode(), "lrdecay.toml") or Settings(),
            comments={config: comment_suppressions(config)},
            baselines=baselines,
            dry_runs=dry_runs,
        ).findings
        # A rule about suppressions needs something to suppress.
        for rules in (
            RULES if rule.scope == "project" else [rule],
            [each for each in RULES if others and each is not rule],
        )
    ]
    own = tuple(one for one in found[0] if one.code == rule.code)
    others = tuple(one for one in found[1] if one.code != rule.code)
    return Judged(own, others, group_map)


def map_of(example: Example, folder: Path) -> GroupMap:
    """The map of an example whose files are written into ``folder``, as JSON gives it back."""
    if example.program:
        names: dict[str, Any] = {}
        exec(example.program, names)
        group_map = audit_optimizer(names["model"], names["optimizer"], schedulers=names.get("schedulers"))
    else:
        with written(example, folder) as config:
            group_map = audit(config)
    group_map = msgspec.json.decode(to_json(group_map), type=GroupMap)
    return example.edit(group_map) if example.edit else group_map


@cache
def built(example: Example) -> GroupMap:
    """The map of an example, built once: several tests look at it, and many wrong configs share a repaired one."""
    with TemporaryDirectory() as folder:
        return map_of(example, Path(folder))


def dry_run_of(example: Example, folder: Path) -> tuple[DryRun, GroupMap]:
    """What a dry run of an example's training observes, four iterations an epoch on one GPU, and its map."""
    with written(example, folder) as config:
        planned = load_plan(config)
        training = dry_run(planned, run_length(planned.plan, iterations_per_epoch=4), batch_size=2)
        return training.record, training.group_map


def write(example: Example, folder: Path) -> None:
    """Write an example's files into a folder; files that are there stay as they are."""
    text = f"_base_ = 'base.py'\n{PLUGIN if example.plugin else ''}{example.config}\n"
    for name, content in (("base.py", BASE), ("plugin.py", example.plugin), ("config.py", text)):
        if content and not (folder / name).exists():
            (folder / name).write_text(content, encoding="utf-8")


@contextmanager
def written(example: Example, folder: Path) -> Iterator[str]:
    """The path of an example's config, which :func:`write` writes and which can be built in here."""
    write(example, folder)
    sys.path.insert(0, str(folder))
    try:
        yield str(folder / "config.py")
    finally:
        sys.path.remove(str(folder))
        if example.plugin:
            forget("plugin")
