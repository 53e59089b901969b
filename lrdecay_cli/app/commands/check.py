"""The command ``lrdecay check``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import (
    BuildOptions,
    FailOn,
    OutputOptions,
    Text,
    Texts,
    Watch,
    argument,
    expanded,
    option,
)


@expanded()
def check(
    context: typer.Context,
    targets: Annotated[
        list[str],
        argument(
            "TARGET...",
            "Configs, exported maps (.json), directories of both, checkpoints (.pth), mmdet::DIR, - for stdin.",
            completion.configs_and_checkpoints,
        ),
    ],
    select: Annotated[
        Texts,
        option(
            "--select",
            "CODE,...",
            "Run only these rules: a code, a prefix of codes (LRD3) or a name.",
            complete=completion.rules,
        ),
    ] = None,
    ignore: Annotated[
        Texts,
        option(
            "--ignore",
            "CODE,...",
            "Skip these rules. If --select and --ignore both match a rule, the longer code wins.",
            complete=completion.rules,
        ),
    ] = None,
    extend_ignore: Annotated[
        Texts,
        option(
            "--extend-ignore",
            "CODE,...",
            "Skip these rules too, in addition to those of --ignore or the settings file.",
            complete=completion.rules,
        ),
    ] = None,
    fail_on: FailOn = "error",
    exit_zero: Annotated[
        bool,
        typer.Option("--exit-zero/--no-exit-zero", show_default=False, help="Exit with 0 even if there are findings."),
    ] = False,
    statistics: Annotated[
        bool,
        typer.Option(
            "--statistics/--no-statistics",
            show_default=False,
            help="Print the number of findings of each rule instead of the findings.",
        ),
    ] = False,
    baseline: Annotated[
        Text,
        option(
            "--baseline",
            "PATH",
            "Compare with this baseline or map, or with the baselines in this directory.",
            complete=completion.baselines,
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Apply fixes to the configs' files, show the diff, and check again.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show the changes that --fix would write; exit with 1 if there are any.")
    ] = False,
    rules_url: Annotated[
        Text, option("--rules-url", "URL", "URL of the rule pages (docs/rules.md), for links in SARIF.")
    ] = None,
    watch: Watch = False,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Report known mistakes in parameter groups and their options.

    The exit code is 0 if all findings are below --fail-on, 1 if a finding has this severity or a higher one, and 2 if a
    config could not be checked. Checking exported maps needs no torch.

    \b
    lrdecay check config.py
    lrdecay check maps/ --select LRD2,LRD3 --fail-on warning
    lrdecay check configs/ --format github --output sarif=lrdecay.sarif
    lrdecay check config.py --diff
    """
    from lrdecay_cli.app.requests.checks import CheckOptions, run_check
    from lrdecay_cli.app.shell import CANNOT_JUDGE, CLEAN, DIFFERENT
    from lrdecay_cli.app.shell.console import write_stdout
    from lrdecay_cli.app.shell.settings import settings_of
    from lrdecay_cli.checking.baseline_files import lost_configs
    from lrdecay_cli.checking.reporting import check_severity, lost_notes, report_of, skipped_notes
    from lrdecay_cli.rules import chosen_rules

    destinations = output.destinations()
    rules = chosen_rules(_split(select), [*_split(ignore), *_split(extend_ignore)])
    check_options = CheckOptions(rules, check_severity(fail_on), baseline, settings_of(context), rules_url or "")
    request = build.request()
    if watch:
        from lrdecay_cli.app.watching.session import answer_again

        answer_again(context, targets, build, edits="--fix" if fix else "--diff" if diff else "")
    if fix or diff:
        request.caching.forget()
    elif destinations.repeatable and not build.verbose:
        request.caching.begin_result()
    skipped: list[str] = []
    result, maps = run_check(targets, request, check_options, jobs=build.workers, skipped=skipped)
    if fix or diff:
        from lrdecay_cli.app.requests.fixes import plan_fixes, print_lines, write_plan

        plan = plan_fixes(result, request, check_options)
        if diff:
            write_stdout(plan.diff())
            print_lines(plan.summary(written=False))
            raise typer.Exit(CANNOT_JUDGE if result.unjudged else DIFFERENT if plan.after else CLEAN)
        if plan.after:
            sys.stderr.write(plan.diff())
            write_plan(plan)
            result, maps = run_check(targets, request.anew(), check_options, jobs=build.workers)
        print_lines(plan.summary(written=True))
    lost = [*lost_configs(baseline, targets, result.configs)] if baseline else []
    compared = bool(baseline) and any(rule.code == "LRD701" for rule in rules)
    notes = (*skipped_notes(skipped, build.verbose), *lost_notes(lost))
    report = report_of(result, statistics=statistics, verbose=build.verbose, maps=maps, compared=compared, notes=notes)
    text = destinations.write(report)
    if result.unjudged:
        raise typer.Exit(CANNOT_JUDGE)
    code = DIFFERENT if result.failing() and not exit_zero else CLEAN
    request.caching.cache_result(text, code)
    raise typer.Exit(code)


def _split(given: list[str] | None) -> list[str]:
    return [code.strip() for several in given or () for code in several.split(",") if code.strip()]
