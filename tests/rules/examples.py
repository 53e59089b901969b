"""Run a rule's example: the config is written, loaded and built for real, and the rules check its map."""

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
"""Findings of each bad example."""


def rows_of(findings: Iterable[Finding]) -> list[Row]:
    return [(finding.code, finding.severity, finding.option, " ".join(finding.patterns)) for finding in findings]


def found_by(rule: Rule, example: Example, folder: Path) -> tuple[Finding, ...]:
    """Return the findings of ``rule`` for an example, with its settings, comments and baseline."""
    return judged(rule, example, folder, others=False).own


class Judged(NamedTuple):
    own: tuple[Finding, ...]
    """Findings of the rule itself."""
    others: tuple[Finding, ...]
    """Findings of the other rules."""
    group_map: GroupMap


def judged(rule: Rule, example: Example, folder: Path, *, others: bool = True) -> Judged:
    """Return all findings of an example.

    Existing files of the example are built unchanged.
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
        # A rule about suppressions needs a finding to suppress.
        for rules in (
            RULES if rule.scope == "project" else [rule],
            [each for each in RULES if others and each is not rule],
        )
    ]
    own = tuple(each for each in found[0] if each.code == rule.code)
    others = tuple(each for each in found[1] if each.code != rule.code)
    return Judged(own, others, group_map)


def map_of(example: Example, folder: Path) -> GroupMap:
    """Return the map of an example after a round trip through JSON; its files are written into ``folder``."""
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
    """Return the map of an example, built once: several tests use it, and many wrong configs share a corrected one."""
    with TemporaryDirectory() as folder:
        return map_of(example, Path(folder))


def dry_run_of(example: Example, folder: Path) -> tuple[DryRun, GroupMap]:
    """Return observations of a dry run, with four iterations per epoch on one GPU, and the example's map."""
    with written(example, folder) as config:
        planned = load_plan(config)
        training = dry_run(planned, run_length(planned.plan, iterations_per_epoch=4), batch_size=2)
        return training.record, training.group_map


def write(example: Example, folder: Path) -> None:
    """Write an example's files into a folder; existing files stay unchanged."""
    text = f"_base_ = 'base.py'\n{PLUGIN if example.plugin else ''}{example.config}\n"
    for name, content in (("base.py", BASE), ("plugin.py", example.plugin), ("config.py", text)):
        if content and not (folder / name).exists():
            (folder / name).write_text(content, encoding="utf-8")


@contextmanager
def written(example: Example, folder: Path) -> Iterator[str]:
    """Return the path of an example's config, which :func:`write` writes and which this process can build."""
    write(example, folder)
    sys.path.insert(0, str(folder))
    try:
        yield str(folder / "config.py")
    finally:
        sys.path.remove(str(folder))
        if example.plugin:
            forget("plugin")
