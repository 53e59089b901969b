"""Run ``check``: collect the group maps and the project's settings, apply the rules, and return the result."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lrdecay_cli.app.requests.sources import Request, group_maps_of, is_map
from lrdecay_cli.checking.baselines import missing_baselines, read_baselines
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Severity, Skipped
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.settings import Settings
from lrdecay_cli.files import looks_like_map, read_bytes
from lrdecay_cli.files.config_path import SEPARATOR, is_checkpoint
from lrdecay_cli.files.config_text import comment_suppressions

if TYPE_CHECKING:
    from lrdecay_cli.rules import Rule
    from lrdecay_cli.rules.context.policy import Baseline

TODAY = "LRDECAY_TODAY"
"""Environment variable with a date. ``check`` uses it instead of today to decide which suppressions have expired."""


class CheckOptions(msgspec.Struct, frozen=True):
    """Rules, baseline and settings that ``check`` uses, and the lowest severity at which it fails."""

    rules: tuple[Rule, ...]
    fail_on: Severity
    baseline: str | None
    settings: Settings
    rules_url: str = ""
    """URL of the rule pages, for links in SARIF."""


class CollectedMaps(msgspec.Struct, frozen=True):
    """The group maps to check, in the order of the command line, and the configs without a map."""

    maps: tuple[GroupMap, ...]
    sources: tuple[str, ...]
    """For each map, the file from which it was read, or the config from which it was built."""
    unjudged: tuple[Skipped, ...]


def run_check(
    targets: Sequence[str],
    request: Request,
    check_options: CheckOptions,
    *,
    jobs: int,
    skipped: list[str] | None = None,
) -> tuple[CheckResult, tuple[GroupMap, ...]]:
    """Check all ``targets``; return the result and the checked group maps.

    A ``.py`` file in a directory is added to the list ``skipped`` if the file is not a config.

    Raises:
        LrdecayError: there is nothing to check, or the only target cannot be checked.
    """
    # Baselines need no rules: do not import them there.
    from lrdecay_cli.checking.checking import check_assertions, check_maps
    from lrdecay_cli.checking.placing import placed

    given = os.environ.get(TODAY)
    try:
        today = date.fromisoformat(given) if given else None
    except ValueError as error:
        raise LrdecayError(f"{given!r} is not a date", where=TODAY, fix="write a date such as 2027-01-31") from error
    check_assertions(check_options.settings.assertions)
    names = named_by(targets, skipped)
    configs = [name for name in names if is_config(name)]
    # Options to repeat in the commands that fixes name.
    options = (*(f"--cfg-options {shlex.quote(each)}" for each in request.cfg_options), *request.launch.options)
    if check_options.baseline and len(names) == len(configs):
        # Fail before anything is built.
        missing_baselines(check_options.baseline, {name: name for name in names}, targets=targets, options=options)
    gathered = gather(names, request, jobs=jobs)
    # Names for commands in fixes: stdin cannot be read again.
    sources = [
        group_map.config.path if source == "-" else source
        for group_map, source in zip(gathered.maps, gathered.sources, strict=True)
    ]
    named = {group_map.config.path: source for group_map, source in zip(gathered.maps, sources, strict=True)}
    lacking = (
        missing_baselines(check_options.baseline, named, targets=targets, options=options)
        if check_options.baseline and named
        else ()
    )
    baselines: dict[str, Baseline] = {}
    if check_options.baseline:
        by_source = dict(zip(sources, gathered.maps, strict=True))
        baselines = read_baselines(check_options.baseline, by_source, targets=targets, options=options)
    result = check_maps(
        gathered.maps,
        check_options.rules,
        sources=gathered.sources,
        unjudged=(*gathered.unjudged, *lacking),
        settings=check_options.settings,
        baselines=baselines,
        comments={config: comment_suppressions(config) for config in configs},
        fail_on=check_options.fail_on,
        today=today,
        is_absent=partial(_is_absent, check_options.settings)
        if _checks_directory(targets, configs)
        else lambda _: False,
    )
    result = msgspec.structs.replace(result, rules_url=check_options.rules_url)
    return placed(result, {*configs}, request.cfg_options or ()), gathered.maps


def _checks_directory(targets: Sequence[str], configs: Sequence[str]) -> bool:
    """True if a target is a directory and configs were checked, not only exported maps."""
    return bool(configs) and any(Path(target).is_dir() for target in targets)


def _is_absent(settings: Settings, pattern: str) -> bool:
    """True if the project has no file or folder whose path ends with ``pattern``.

    Searches the folder of the settings file and the working directory, both up to three folders deep.
    """
    if SEPARATOR in pattern or Path(pattern).is_absolute():
        return False
    # A path with more folders than stars begins with a folder that this finds.
    relative = pattern.removeprefix("./").replace("**", "*").strip("/")
    folders = {Path(settings.path).parent.resolve(), Path.cwd()}
    with suppress(OSError, ValueError):
        return not any(
            any(folder.glob("*/" * depth + relative)) for folder in folders for depth in range(_DEEPEST_SEARCH + 1)
        )
    return False


_DEEPEST_SEARCH = 3


def gather(names: Sequence[str], request: Request, *, jobs: int) -> CollectedMaps:
    """Return the group map of each name that :func:`named_by` returned.

    If one of several configs does not build, it is recorded as not checked, and the other configs are checked.

    Raises:
        LrdecayError: the only config does not build, or a map cannot be read.
    """
    configs = [name for name in names if is_config(name)]
    if len(names) < 2 or (request.cfg_options and not configs):
        return CollectedMaps(tuple(group_maps_of(names, request)), tuple(names), ())
    # A single config is built in this process, and its failure is the command's failure; several are built in children.
    alone = dict(zip(configs, group_maps_of(configs, request), strict=True)) if len(configs) == 1 else {}
    built = alone or (_built(configs, request, jobs) if configs else {})
    found = [built[name] if name in built else _read(name, request) for name in names]
    maps = [(name, each) for name, each in zip(names, found, strict=True) if isinstance(each, GroupMap)]
    # Several maps of the same config are called by their file names.
    times = Counter(group_map.config.path for _, group_map in maps)
    replace = msgspec.structs.replace
    distinct = (
        each if times[each.config.path] == 1 else replace(each, config=replace(each.config, path=name))
        for name, each in maps
    )
    skipped = tuple(each for each in found if isinstance(each, Skipped))
    return CollectedMaps(tuple(distinct), tuple(name for name, _ in maps), skipped)


def _read(name: str, request: Request) -> GroupMap | Skipped:
    try:
        return group_maps_of([name], request)[0]
    except LrdecayError as error:
        return Skipped(name, error.status, _without_name(name, error))


def _without_name(name: str, error: LrdecayError) -> str:
    """Return the text of an error without the name of the config; a line number in the config stays in the text."""
    return error.at("" if error.where == name else error.where.removeprefix(f"{name}: ")).line()


def is_config(name: str) -> bool:
    """True for the name of a config to build; False for an exported map or a checkpoint."""
    return not is_map(name) and not is_checkpoint(name)


def named_by(targets: Sequence[str], skipped: list[str] | None = None) -> list[str]:
    """Return the names of all configs, exported maps and checkpoints in ``targets``.

    A directory and ``mmdet::DIR`` are replaced by the files in them. A ``.py`` file in a directory is added to the list
    ``skipped`` if the file is not a config. ``-`` (a map on stdin) stays ``-``. If several targets name the same file,
    only its first name is returned.

    Raises:
        LrdecayError: a target does not exist.
    """
    names: dict[str, str] = {}
    for target in targets:
        for name in _of_target(target, skipped):
            # configs/a.py and ./configs/a.py are the same file.
            names.setdefault(name if name == "-" or SEPARATOR in name else os.path.abspath(name), name)  # noqa: PTH100
    return list(names.values())


def _of_target(target: str, skipped: list[str] | None) -> list[str]:
    from lrdecay_cli.scanning.targets import configs_of

    if target == "-" or is_checkpoint(target) or (target.endswith(".json") and Path(target).is_file()):
        return [target]
    if not Path(target).is_dir():
        return configs_of([target], skipped)
    maps = []
    for path in map(str, sorted(Path(target).rglob("*.json"))):
        # A file that looks like a map is judged, even if it is damaged.
        with suppress(LrdecayError):
            if looks_like_map(read_bytes(path)):
                maps.append(path)
    try:
        return [*configs_of([target], skipped), *maps]
    except LrdecayError:
        if maps:
            return maps
        raise


def _built(configs: Sequence[str], request: Request, jobs: int) -> dict[str, GroupMap | Skipped | None]:
    """Return the group map or the failure of each config; None for a config that is not a training config."""
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
