"""Run the rules on many maps, and apply the project's assertions and suppressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import zip_longest

import msgspec

from lrdecay_cli import __version__
from lrdecay_cli.analysis.conditions import parse_condition
from lrdecay_cli.checking.suppressing import Suppressing, any_matches, config_names
from lrdecay_cli.domain.dry_run import DryRun
from lrdecay_cli.domain.finding import CHECK_SCHEMA_VERSION, CheckedMap, CheckResult, Finding, Severity, Skipped
from lrdecay_cli.domain.group_map import GroupMap, Tool
from lrdecay_cli.domain.origins import Place
from lrdecay_cli.domain.settings import Assertion, Settings, StatedSuppression
from lrdecay_cli.rules import Rule, RuleContext
from lrdecay_cli.rules.context.policy import Baseline, JudgedSuppression, Policy
from lrdecay_cli.rules.project.assertions import NUMBERS, is_met
from lrdecay_cli.rules.running import findings_of

_NO_SETTINGS = Settings()


def check_maps(
    maps: Iterable[GroupMap],
    rules: Sequence[Rule],
    *,
    sources: Sequence[str] = (),
    unjudged: Iterable[Skipped] = (),
    settings: Settings = _NO_SETTINGS,
    baselines: Mapping[str, Baseline] | None = None,
    comments: Mapping[str, Sequence[StatedSuppression]] | None = None,
    dry_runs: Mapping[str, DryRun] | None = None,
    fail_on: Severity = "error",
    today: date | None = None,
    is_absent: Callable[[str], bool] = lambda _: False,
) -> CheckResult:
    """Run ``rules`` on each map in order, and return all findings.

    Args:
        maps: the maps to check.
        rules: the rules to run.
        sources: for each map, the file or config from which it was read or built; by default, its config.
        unjudged: configs that could not be checked. The result also contains these configs.
        settings: assertions and suppressions for all maps.
        baselines: the baseline of each config.
        comments: the suppressions in the comments of each config.
        dry_runs: the dry run of each config; rules about training run only for configs with a dry run.
        fail_on: lowest severity of a finding that makes the check fail.
        today: the date for suppressions, by default the current date.
        is_absent: whether the project has no config that matches a glob; called for a glob in the settings that matches
            none of the maps. By default, the project may have further configs.

    Raises:
        LrdecayError: an assertion has an invalid condition.
    """
    check_assertions(settings.assertions)
    today = today or date.today()
    about_maps = [rule for rule in rules if rule.scope == "config"]
    about_policies = [rule for rule in rules if rule.scope == "project"]
    about_trainings = [rule for rule in rules if rule.scope == "training"]
    codes = [rule.code for rule in (*about_maps, *(about_trainings if dry_runs else ()))]
    shared = Suppressing(settings.suppressions, today, is_absent)
    contexts: list[RuleContext] = []
    findings: list[Finding] = []
    commented: dict[StatedSuppression, tuple[JudgedSuppression, GroupMap]] = {}
    for group_map in maps:
        config = group_map.config.path
        names = config_names(config) if settings.assertions else ()
        assertions = tuple(assertion for assertion in settings.assertions if any_matches(names, assertion.config))
        dry_run = (dry_runs or {}).get(config)
        policy = Policy(baseline=(baselines or {}).get(config), assertions=assertions)
        context = RuleContext(group_map, policy, dry_run=dry_run)
        own = Suppressing((comments or {}).get(config, ()), today)
        found = findings_of(context, [*about_maps, *(about_trainings if dry_run else ())])
        findings += shared.apply(context, own.apply(context, found))
        for judged in own.judged(codes):
            # Several configs may inherit a comment: it is unused if none of them uses it.
            before, first = commented.get(judged.stated, (judged, group_map))
            idle = tuple(code for code in judged.idle if code in before.idle)
            commented[judged.stated] = msgspec.structs.replace(judged, idle=idle), first
        contexts.append(context)
    for judged, group_map in commented.values():
        findings += _about_comment(judged, group_map, about_policies)
    if contexts:
        policy = Policy(suppressions=shared.judged(codes))
        findings += findings_of(RuleContext(contexts[0].group_map, policy, place=settings.path), about_policies)
    unmatched = [
        assertion
        for assertion in settings.assertions
        if not any(assertion in context.policy.assertions for context in contexts) and is_absent(assertion.config)
    ]
    if contexts and unmatched:
        policy = Policy(unmatched_assertions=tuple(unmatched))
        findings += findings_of(RuleContext(contexts[0].group_map, policy, place=settings.path), about_policies)
    for assertion, context in _idle(settings.assertions, contexts):
        policy = Policy(idle_assertions=(assertion,))
        findings += findings_of(RuleContext(context.group_map, policy, place=settings.path), about_policies)
    return CheckResult(
        CHECK_SCHEMA_VERSION,
        Tool("lrdecay", __version__),
        fail_on,
        tuple(_checked(context.group_map, source, comments) for context, source in zip_longest(contexts, sources)),
        tuple(unjudged),
        tuple(findings),
    )


def check_assertions(assertions: Iterable[Assertion]) -> None:
    """Check the syntax of all conditions in assertions. Call it before building, so that errors are reported early.

    Raises:
        LrdecayError: a condition is invalid. The error names the assertion in the settings.
    """
    for assertion in assertions:
        for aspect in NUMBERS:
            condition = getattr(assertion, aspect)
            if condition is not None:
                parse_condition(condition, f"{assertion.source}.{aspect}")


def _idle(assertions: Iterable[Assertion], contexts: Sequence[RuleContext]) -> Iterator[tuple[Assertion, RuleContext]]:
    """Yield each assertion that matches no parameter of its configs, together with the first of these configs."""
    for assertion in assertions:
        concerned = [context for context in contexts if assertion in context.policy.assertions]
        if concerned and not any(is_met(assertion, context) for context in concerned):
            yield assertion, concerned[0]


def _about_comment(judged: JudgedSuppression, group_map: GroupMap, rules: Sequence[Rule]) -> Iterator[Finding]:
    """Yield the findings about a suppression comment, at the file and line of the comment."""
    stated = judged.stated
    inherited = stated.place != group_map.config.path
    policy = Policy(suppressions=(msgspec.structs.replace(judged, inherited=inherited),))
    line = stated.line or 1
    place = Place(stated.place, line, stated.column, line, stated.end_column)
    for finding in findings_of(RuleContext(group_map, policy, place=stated.place), rules):
        yield msgspec.structs.replace(finding, place=place)


def _checked(group_map: GroupMap, source: str | None, configs: Mapping[str, object] | None) -> CheckedMap:
    config, totals = group_map.config, group_map.model.totals
    given = source or config.path
    # A live optimizer has no config that could have been read.
    read = configs is not None and given not in configs and not group_map.live
    return CheckedMap(config.path, given, config.sha256, totals.tensors, len(group_map.groups), read)
