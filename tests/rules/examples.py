"""Running a rule's example: the config is written, loaded and built for real, and the rules see its map."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lrdecay_cli.analysis.scheduling.run_length import run_length
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
    result = check_maps(
        [group_map],
        # A rule about suppressions needs something to suppress.
        RULES if rule.scope == "project" else [rule],
        settings=parse_settings(example.settings.encode(), "lrdecay.toml") or Settings(),
        comments={config: comment_suppressions(config)},
        baselines=baselines,
        dry_runs=dry_runs,
    )
    return tuple(finding for finding in result.findings if finding.code == rule.code)


def map_of(example: Example, folder: Path) -> GroupMap:
    """The map of an example whose files are written into ``folder``, as JSON gives it back."""
    import msgspec

    with written(example, folder) as config:
        group_map = audit(config)
    group_map = msgspec.json.decode(to_json(group_map), type=GroupMap)
    return example.edit(group_map) if example.edit else group_map


def dry_run_of(example: Example, folder: Path) -> tuple[DryRun, GroupMap]:
    """What a dry run of an example's training observes, four iterations an epoch on one GPU, and its map."""
    with written(example, folder) as config:
        planned = load_plan(config)
        training = dry_run(planned, run_length(planned.plan, iterations_per_epoch=4), batch_size=2)
        return training.record, training.group_map


@contextmanager
def written(example: Example, folder: Path) -> Iterator[str]:
    """The path of an example's config, which can be built in here."""
    (folder / "base.py").write_text(BASE, encoding="utf-8")
    text = "_base_ = 'base.py'\n"
    if example.plugin:
        (folder / "plugin.py").write_text(example.plugin, encoding="utf-8")
        text += "custom_imports = dict(imports=['plugin'])\n"
    (folder / "config.py").write_text(f"{text}{example.config}\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield str(folder / "config.py")
    finally:
        sys.path.remove(str(folder))
        forget("plugin")
