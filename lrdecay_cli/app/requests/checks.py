"""A run of ``check``: the maps of what there is to judge, what the project says about it, and the result."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lrdecay_cli.app.requests.sources import Request, group_maps_of, is_map
from lrdecay_cli.checking.baselines import missing_baselines, read_baselines
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Severity, Skipped
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.settings import Settings
from lrdecay_cli.files import means_to_be_map, read_bytes
from lrdecay_cli.files.config_path import SEPARATOR, is_checkpoint
from lrdecay_cli.files.config_text import comment_suppressions

if TYPE_CHECKING:
    from lrdecay_cli.rules import Rule
    from lrdecay_cli.rules.context.policy import Baseline

TODAY = "LRDECAY_TODAY"
"""Environment variable with the day on which suppressions are judged, in place of the present one."""


class Demands(msgspec.Struct, frozen=True):
    """What configs are held against."""

    rules: tuple[Rule, ...]
    fail_on: Severity
    baseline: str | None
    settings: Settings
    rules_url: str = ""
    """Where the page of rules is, for SARIF."""


class Gathered(msgspec.Struct, frozen=True):
    """What there is to judge, in the order in which it was named."""

    maps: tuple[GroupMap, ...]
    sources: tuple[str, ...]
    """What each map was read or built from."""
    unjudged: tuple[Skipped, ...]


def run_check(
    targets: Sequence[str], request: Request, demands: Demands, *, jobs: int
) -> tuple[CheckResult, tuple[GroupMap, ...]]:
    """Judge everything that ``targets`` mean; the result, and the maps that it is about.

    Raises:
        LrdecayError: there is nothing to judge, or the only thing there is cannot be judged.
    """
    # The rules are not imported for baselines.
    from lrdecay_cli.checking.checking import check_assertions, check_maps
    from lrdecay_cli.checking.placing import placed

    given = os.environ.get(TODAY)
    try:
        today = date.fromisoformat(given) if given else None
    except ValueError as error:
        raise LrdecayError(f"{given!r} is no date", where=TODAY, fix="write it as 2027-01-31") from error
    check_assertions(demands.settings.assertions)
    names = named_by(targets)
    configs = [name for name in names if is_config(name)]
    # What commands in fixes say again.
    options = (*(f"--cfg-options {shlex.quote(each)}" for each in request.cfg_options), *request.launch.told)
    if demands.baseline and len(names) == len(configs):
        # Before anything is built.
        missing_baselines(demands.baseline, {name: name for name in names}, targets=targets, options=options)
    gathered = gather(names, request, jobs=jobs)
    # What a command can name: stdin was read.
    sources = [
        group_map.config.path if source == "-" else source
        for group_map, source in zip(gathered.maps, gathered.sources, strict=True)
    ]
    named = {group_map.config.path: source for group_map, source in zip(gathered.maps, sources, strict=True)}
    lacking = (
        missing_baselines(demands.baseline, named, targets=targets, options=options)
        if demands.baseline and named
        else ()
    )
    baselines: dict[str, Baseline] = {}
    if demands.baseline:
        by_source = dict(zip(sources, gathered.maps, strict=True))
        baselines = read_baselines(demands.baseline, by_source, targets=targets, options=options)
    result = check_maps(
        gathered.maps,
        demands.rules,
        sources=gathered.sources,
        unjudged=(*gathered.unjudged, *lacking),
        settings=demands.settings,
        baselines=baselines,
        comments={config: comment_suppressions(config) for config in configs},
        fail_on=demands.fail_on,
        today=today,
    )
    result = msgspec.structs.replace(result, rules_url=demands.rules_url)
    return placed(result, {*configs}, request.cfg_options or ()), gathered.maps


def gather(names: Sequence[str], request: Request, *, jobs: int) -> Gathered:
    """The group map of each of ``names``, which are those of :func:`named_by`.

    Raises:
        LrdecayError: the only config there is does not build, or a map cannot be read. Of several configs, one that
            does not build is unjudged, and the others are judged.
    """
    configs = [name for name in names if is_config(name)]
    if len(names) < 2 or (request.cfg_options and not configs):
        return Gathered(tuple(group_maps_of(names, request)), tuple(names), ())
    # One config is built in this process, and its failure is the command's; several are built in children.
    alone = dict(zip(configs, group_maps_of(configs, request), strict=True)) if len(configs) == 1 else {}
    built = alone or (_built(configs, request, jobs) if configs else {})
    found = [built[name] if name in built else _read(name, request) for name in names]
    maps = [(name, each) for name, each in zip(names, found, strict=True) if isinstance(each, GroupMap)]
    # Several maps of one and the same config go by the names of their files.
    times = Counter(group_map.config.path for _, group_map in maps)
    replace = msgspec.structs.replace
    distinct = (
        each if times[each.config.path] == 1 else replace(each, config=replace(each.config, path=name))
        for name, each in maps
    )
    skipped = tuple(each for each in found if isinstance(each, Skipped))
    return Gathered(tuple(distinct), tuple(name for name, _ in maps), skipped)


def _read(name: str, request: Request) -> GroupMap | Skipped:
    try:
        return group_maps_of([name], request)[0]
    except LrdecayError as error:
        return Skipped(name, error.status, _without_name(name, error))


def _without_name(name: str, error: LrdecayError) -> str:
    """An error's line, without the name of the config that it is about; a line of the config is named with it."""
    return error.at("" if error.where == name else error.where.removeprefix(f"{name}: ")).line()


def is_config(name: str) -> bool:
    """Whether a name is that of a config, which is to be built; not of an exported map or a checkpoint."""
    return not is_map(name) and not is_checkpoint(name)


def named_by(targets: Sequence[str]) -> list[str]:
    """What ``targets`` mean: a config, an exported map, ``-``, a checkpoint, a directory of configs and maps,
    ``mmdet::DIR``. Each file once, by the name that it has first.

    Raises:
        LrdecayError: nothing is there.
    """
    names: dict[str, str] = {}
    for target in targets:
        for name in _of_target(target):
            # configs/a.py and ./configs/a.py are one.
            names.setdefault(name if name == "-" or SEPARATOR in name else os.path.abspath(name), name)  # noqa: PTH100
    return list(names.values())


def _of_target(target: str) -> list[str]:
    from lrdecay_cli.scanning.targets import configs_of

    if target == "-" or is_checkpoint(target) or (target.endswith(".json") and Path(target).is_file()):
        return [target]
    if not Path(target).is_dir():
        return configs_of([target])
    maps = []
    for path in map(str, sorted(Path(target).rglob("*.json"))):
        # One that means to be a map is judged, whatever is wrong with it.
        with suppress(LrdecayError):
            if means_to_be_map(read_bytes(path)):
                maps.append(path)
    try:
        return [*configs_of([target]), *maps]
    except LrdecayError:
        if maps:
            return maps
        raise


def _built(configs: Sequence[str], request: Request, jobs: int) -> dict[str, GroupMap | Skipped | None]:
    """A map or what stood in its way for each config, None for one that is not for training."""
    from lrdecay_cli.app.shell.console import progress
    from lrdecay_cli.domain.scan import NOT_FOR_TRAINING
    from lrdecay_cli.processes.build_many import build_many, isolation

    found: dict[str, GroupMap | Skipped | None] = {}
    options = request.build_spec()
    bounds = isolation(options) if request.isolated else nullcontext(options)
    with bounds as bounded, progress(len(configs), "building") as advance:
        for outcome in build_many(configs, bounded, jobs=jobs, cache=None if request.isolated else request.caching):
            known = outcome.failure.error() if outcome.failure else None
            problem = _without_name(outcome.config, known) if known else outcome.problem
            failure = Skipped(outcome.config, outcome.status, problem)
            unfit = outcome.status in NOT_FOR_TRAINING
            found[outcome.config] = outcome.group_map or (None if unfit else failure)
            advance(isinstance(found[outcome.config], Skipped))
    return found
