"""Check group maps with the rules: ``lrdecay_cli.check``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from lrdecay_cli.api.arguments import names_of, path_of, text_of
from lrdecay_cli.api.building import as_map, is_map_file
from lrdecay_cli.api.errors import short_errors
from lrdecay_cli.api.overrides import overrides_of
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Severity
from lrdecay_cli.domain.group_map import GroupMap


@short_errors
def check(
    group_map: GroupMap | str | os.PathLike[str],
    *,
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    fail_on: Severity = "error",
    baseline: GroupMap | str | os.PathLike[str] | None = None,
    settings: str | os.PathLike[str] | None = None,
    today: date | None = None,
) -> CheckResult:
    """Run the rules on a group map, and return the findings. Needs torch only to build a config.

    In a test, ``raise_on_failure`` shows the findings:

    >>> check("baselines/map.json", select=["LRD301"]).raise_on_failure()
    <CheckResult passes: no findings in 1 config>

    Args:
        group_map: a map from :func:`audit` or :func:`audit_optimizer`, or the path of an exported map, a
            checkpoint or a config to build.
        select: rule or rules to run, by code, by the start of a code, or by name; all rules if empty.
        ignore: rules not to run, in the same forms. If ``select`` names the same rule, the longer code or name wins.
        fail_on: the lowest severity that :meth:`CheckResult.failing` returns.
        baseline: a map, the file of a baseline, or a folder of baselines as for ``lrdecay check --baseline``. Every
            difference from the baseline is a finding.
        settings: a settings file with assertions and suppressions; None to use no settings file. Suppressions in
            comments of the config apply too, unless ``group_map`` is the path of a map.
        today: the date that decides which suppressions have expired; the present date if None.

    Raises:
        LrdecayError: a map or the settings cannot be read, the baseline is missing, a config does not build, or a rule
            or severity is unknown.
    """
    from lrdecay_cli.checking.baselines import find_baseline
    from lrdecay_cli.checking.checking import check_maps
    from lrdecay_cli.checking.placing import placed
    from lrdecay_cli.checking.reporting import check_severity
    from lrdecay_cli.domain.settings import Settings
    from lrdecay_cli.files import read_bytes
    from lrdecay_cli.files.config_text import comment_suppressions
    from lrdecay_cli.files.settings_file import parse_settings
    from lrdecay_cli.rules import chosen_rules
    from lrdecay_cli.rules.context.policy import Baseline

    parsed = Settings()
    if settings is not None:
        path = path_of(settings, "settings")
        found = parse_settings(read_bytes(path), path)
        if found is None:
            raise LrdecayError("the settings file has no table [tool.lrdecay]", where=path)
        parsed = found
    # What is wrong with these is reported before a config is built.
    rules = chosen_rules(names_of(select, "select"), names_of(ignore, "ignore"))
    severity = check_severity(text_of(fail_on, "fail_on"))
    judged = as_map(group_map)
    config = judged.config.path
    baselines = {}
    if isinstance(baseline, GroupMap):
        baselines[config] = Baseline(
            baseline.config.path,
            baseline,
            command="make the baseline again",
            shows="lrdecay_cli.diff(baseline, group_map)",
        )
    elif baseline is not None:
        baselines[config] = find_baseline(
            str(Path(path_of(baseline, "baseline"))),
            judged,
            "" if isinstance(group_map, GroupMap) else os.fspath(group_map),
        )
    # The config of a map file may have changed since, and a live optimizer has none.
    built = judged is group_map or not is_map_file(group_map)
    named = {config} if built and not judged.live and not judged.checkpoint else set()
    result = check_maps(
        [judged],
        rules,
        settings=parsed,
        baselines=baselines,
        comments=None if judged.live else {each: comment_suppressions(each) for each in named},
        fail_on=severity,
        today=today,
    )
    return placed(result, named, overrides_of(judged.config.overrides))
