"""One run of ``check``: what there is to judge, what the project says about it, and the result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date

import msgspec

from lrdecay_cli.app.requests.check_sources import gather, is_config, named_by
from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.checking.baselines import missing_baselines, read_baselines
from lrdecay_cli.checking.checking import check_assertions, check_maps
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Severity
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.settings import Settings
from lrdecay_cli.files.config_comments import comment_suppressions
from lrdecay_cli.rules import Rule

TODAY = "LRDECAY_TODAY"
"""Environment variable with the day on which suppressions are judged, in place of the present one."""


class Demands(msgspec.Struct, frozen=True):
    """What configs are held against."""

    rules: tuple[Rule, ...]
    fail_on: Severity
    baseline: str | None
    settings: Settings


class Judged(msgspec.Struct, frozen=True):
    """The result, and the maps that it is about."""

    result: CheckResult
    maps: tuple[GroupMap, ...]


def run_check(targets: Sequence[str], request: Request, demands: Demands, *, jobs: int) -> Judged:
    """Judge everything that ``targets`` mean.

    Raises:
        LrdecayError: there is nothing to judge, or the only thing there is cannot be judged.
    """
    today = _today()
    check_assertions(demands.settings.assertions)
    names = named_by(targets)
    configs = [name for name in names if is_config(name)]
    if demands.baseline and len(names) == len(configs):
        # Before anything is built.
        missing_baselines(demands.baseline, configs)
    gathered = gather(names, request, jobs=jobs)
    named = [group_map.config.path for group_map in gathered.maps]
    lacking = missing_baselines(demands.baseline, named) if demands.baseline and named else ()
    result = check_maps(
        gathered.maps,
        demands.rules,
        sources=gathered.sources,
        unjudged=(*gathered.unjudged, *lacking),
        settings=demands.settings,
        baselines=read_baselines(demands.baseline, named) if demands.baseline else {},
        comments={config: comment_suppressions(config) for config in configs},
        fail_on=demands.fail_on,
        today=today,
    )
    return Judged(result, gathered.maps)


def _today() -> date | None:
    given = os.environ.get(TODAY)
    try:
        return date.fromisoformat(given) if given else None
    except ValueError as error:
        raise LrdecayError(f"{given!r} is no date", where=TODAY, remedy="write it as 2027-01-31") from error
