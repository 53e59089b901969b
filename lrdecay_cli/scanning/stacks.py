"""Compare two environments for ``diff --stacks``: match configs by name, compare their groups, and test causes.

Instead of an environment, a side of the comparison can also be a finished scan or a folder of maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from lrdecay_cli import __version__
from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.comparing.stack_causes import (
    DECIDING,
    MODEL_ASPECTS,
    OTHERS,
    Option,
    differing_options,
    map_options,
    option_causes,
    package_causes,
    record_causes,
    training_values,
)
from lrdecay_cli.analysis.stacks import package_changes
from lrdecay_cli.domain.change import ASPECTS, Aspect, Change
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Tool
from lrdecay_cli.domain.scan import OK
from lrdecay_cli.domain.stack import PackageChange
from lrdecay_cli.domain.stack_difference import (
    STACKS_SCHEMA_VERSION,
    Cause,
    CauseGroup,
    ChangedConfig,
    OptionGroup,
    StackDifference,
    Unbuilt,
)
from lrdecay_cli.processes.outcomes import BuildOutcome
from lrdecay_cli.scanning.scan import full_record
from lrdecay_cli.scanning.sides import Entry, Side
from lrdecay_cli.scanning.worker import Setting, Task

Build = Callable[[Sequence[Task]], Iterator[BuildOutcome]]
_MOST_OPTIONS = 16
"""Maximum number of options of a config that are tested one by one.

If a config has more differing options, all of these options are reported as causes.
"""


def compare_stacks(
    before: Side,
    after: Side,
    build: Build | None = None,
    *,
    rtol: float = 0.0,
    only: frozenset[Aspect] | None = None,
) -> StackDifference:
    """Compare the groups of every config of two sides, and return the differences by cause.

    Args:
        before: the first side: an environment, a scan or a folder of maps.
        after: the second side.
        build: builds configs in the second side's environment, to test causes; None to test no causes.
        rtol: relative tolerance for lr, lr scale and weight decay.
        only: aspects to compare; None for all.

    Raises:
        LrdecayError: ``rtol`` or ``only`` is given for the JSON of a scan, which contains no group maps.
    """
    return _Comparing(before, after, build, rtol, only).document()


class _Comparing:
    def __init__(
        self, before: Side, after: Side, build: Build | None, rtol: float, only: frozenset[Aspect] | None
    ) -> None:
        self._before, self._after, self._build = before, after, build
        self._rtol, self._only = rtol, only
        self._compared = 0
        self._groups: dict[str, tuple[tuple[Cause, ...], list[ChangedConfig]]] = {}
        self._others: dict[str, tuple[tuple[Cause, ...], list[str]]] = {}
        self._unbuilt: list[Unbuilt] = []
        self._packages: dict[str, PackageChange] = {}
        self._to_try: dict[str, list[Option]] = {}

    def document(self) -> StackDifference:
        """Compare all configs, test the causes, and return the differences."""
        names, others = ({*side.configs()} for side in (self._before, self._after))
        for config in sorted(names & others):
            self._compare(config, self._before.entry(config), self._after.entry(config))
        if self._build:
            self._try(self._build)
        groups = [CauseGroup(causes, tuple(configs)) for causes, configs in self._groups.values()]
        options = [OptionGroup(causes, tuple(configs)) for causes, configs in self._others.values()]
        return StackDifference(
            schema_version=STACKS_SCHEMA_VERSION,
            tool=Tool("lrdecay", __version__),
            before=self._before.source,
            after=self._after.source,
            identical=not groups and names == others,
            compared=self._compared,
            packages=tuple(self._packages[name] for name in sorted(self._packages)),
            groups=tuple(sorted(groups, key=lambda group: (-len(group.configs), group.configs[0].config))),
            only_before=tuple(sorted(names - others)),
            only_after=tuple(sorted(others - names)),
            other_options=tuple(sorted(options, key=lambda group: (-len(group.configs), group.configs[0]))),
            unbuilt=tuple(self._unbuilt),
        )

    def _compare(self, config: str, old: Entry, new: Entry) -> None:
        if OK not in (old.status, new.status):
            self._unbuilt.append(Unbuilt(config, old.status, new.status, old.problem))
        elif old.status != new.status:
            was, now = (": ".join(filter(None, (side.status, side.problem))) for side in (old, new))
            self._differ(ChangedConfig(config, None, None, {}), (Cause("build", "", was, now, proven=True),))
        elif old.group_map and new.group_map:
            self._compared += 1
            self._packages.update({each.package: each for each in package_changes(old.group_map, new.group_map)})
            changes = self._changes(old.group_map, new.group_map)
            if changes:
                self._explain(config, changes, old, new)
            else:
                self._note_options(config, old, new)
        else:
            self._compared += 1
            if self._rtol or self._only:
                where = "--only" if self._only else "--rtol"
                fix = "compare environments, or the folders that scan --maps writes"
                raise LrdecayError(
                    "this option needs group maps, and the JSON of a scan contains none", where=where, fix=fix
                )
            if causes := record_causes(*(_record(each, config) for each in (old, new))):
                self._differ(ChangedConfig(config, None, None, {}), causes)

    def _changes(self, before: GroupMap, after: GroupMap) -> list[Change]:
        return list(diff(before, after, rtol=self._rtol, only=self._only))

    def _explain(self, config: str, changes: Sequence[Change], old: Entry, new: Entry) -> None:
        assert old.group_map
        assert new.group_map
        known = old.values is not None and new.values is not None
        options = (
            differing_options(_deciding(old.values), _deciding(new.values), (*DECIDING, "train_dataloader"))
            if known
            else map_options(old.group_map, new.group_map)
        )
        if options and known and self._build:
            self._to_try[config] = options
            return
        if options:
            # The effect of each option is unknown; whether a parameter exists depends on the model.
            changes = [] if known else [change for change in changes if change.aspect in MODEL_ASPECTS]
        causes = package_causes(changes, old.group_map, new.group_map, proven=known and not options)
        self._differ(self._extent(config), (*option_causes(options), *causes))

    def _note_options(self, config: str, old: Entry, new: Entry) -> None:
        assert old.group_map
        assert new.group_map
        if old.values is not None and new.values is not None:
            options = differing_options(old.values, new.values, OTHERS)
        else:
            options = differing_options(training_values(old.group_map), training_values(new.group_map), OTHERS)
        if options:
            causes = option_causes(options)
            self._others.setdefault(repr(causes), (causes, []))[1].append(config)

    def _try(self, build: Build) -> None:
        """Test the possible causes: build each config in the second environment with the options of the first side.

        If this build still differs from the first side, the packages are a cause. If this build differs from the second
        side, the options are a cause, and each option is tested separately.
        """
        names = list(self._to_try)
        one_by_one: list[Task] = []
        by_packages: dict[str, tuple[Cause, ...]] = {}
        every = [Task(str(index), name, _settings(self._to_try[name])) for index, name in enumerate(names)]
        for outcome in build(every) if every else ():
            config = names[int(outcome.config)]
            options = self._to_try[config]
            before, after = (side.entry(config).group_map for side in (self._before, self._after))
            assert before
            assert after
            if outcome.group_map is None:
                self._differ(self._extent(config), option_causes(options))
                continue
            by_packages[config] = package_causes(
                self._changes(before, outcome.group_map), before, outcome.group_map, proven=True
            )
            if not self._changes(outcome.group_map, after):
                self._differ(self._extent(config), by_packages[config])
            elif 1 < len(options) <= _MOST_OPTIONS:
                one_by_one += [
                    Task(f"{index}:{outcome.config}", config, _settings([option]))
                    for index, option in enumerate(options)
                ]
            else:
                causes = option_causes(options, proven=True)
                self._differ(self._extent(config), (*causes, *by_packages[config]))
        acting: dict[str, set[int]] = {task.config: set() for task in one_by_one}
        for outcome in build(one_by_one) if one_by_one else ():
            index, _, name = outcome.config.partition(":")
            config = names[int(name)]
            after = self._after.entry(config).group_map
            assert after
            # An option that does not build alone needs another one.
            if outcome.group_map is None or self._changes(outcome.group_map, after):
                acting[config].add(int(index))
        for config, indices in acting.items():
            options = self._to_try[config]
            narrowed = [options[index] for index in sorted(indices)] or options
            self._differ(self._extent(config), (*option_causes(narrowed, proven=True), *by_packages[config]))

    def _extent(self, config: str) -> ChangedConfig:
        before, after = (side.entry(config).group_map for side in (self._before, self._after))
        assert before
        assert after
        changes = self._changes(before, after)
        counts = {aspect: sum(change.aspect == aspect for change in changes) for aspect in ASPECTS}
        return ChangedConfig(
            config,
            len({change.parameter for change in changes}),
            len({*before.names(duplicates=True), *after.names(duplicates=True)}),
            {aspect: number for aspect, number in counts.items() if number},
        )

    def _differ(self, config: ChangedConfig, causes: tuple[Cause, ...]) -> None:
        self._groups.setdefault(repr(causes), (causes, []))[1].append(config)


def _deciding(values: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a config's values, with ``train_dataloader`` reduced to ``batch_size``."""
    loader = values.get("train_dataloader")
    batch = {"batch_size": loader["batch_size"]} if isinstance(loader, dict) and "batch_size" in loader else {}
    return {**values, "train_dataloader": batch}


def _settings(options: Iterable[Option]) -> tuple[Setting, ...]:
    return tuple(Setting(each.path, each.before, not each.in_before) for each in options)


def _record(entry: Entry, config: str) -> Any:
    return entry.record if entry.group_map is None else full_record(config, entry.group_map)
