"""Build configs in child processes, and find the packages that their parent should import first."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files.config_path import SEPARATOR, config_path
from lrdecay_cli.files.packages import ZOOS
from lrdecay_cli.isolation import Confinement, confine, confinement_for
from lrdecay_cli.processes.children import Outcome, in_children
from lrdecay_cli.processes.outcomes import BuildOutcome, BuildSpec, Dependencies, Failure, MapCache
from lrdecay_cli.processes.sources import record_sources
from lrdecay_cli.processes.streams import stdout_to_stderr


def build(config: str, options: BuildSpec, by: Callable[[], GroupMap] | None = None) -> BuildOutcome:
    """Build one config in a process that does nothing else, and return the outcome: a group map or an error.

    ``by`` is the function that builds the group map; the default is :func:`audited`.
    """
    try:
        os.chdir(options.folder or ".")
    except OSError as error:
        problem = (
            f"the worker cannot enter {options.folder} ({error.strerror}); workers need the files at the same path"
        )
        return BuildOutcome(config, failure=Failure(problem, config))
    if options.scratch:
        confine(confinement_for(config, options.scratch))
    files = record_sources() if options.notes_files else dict
    try:
        group_map = by() if by else audited(config, options)
    except LrdecayError as error:
        return BuildOutcome(config, failure=Failure.of(config, error), files=files())
    except Exception as error:
        return BuildOutcome(config, failure=Failure.of(config, error))
    return BuildOutcome(config, group_map, files=files())


def in_forks(
    configs: Sequence[str], options: BuildSpec, *, jobs: int, cache: MapCache | None = None
) -> Generator[Outcome, None, None]:
    """Build each config in a forked child process, and yield the outcomes. :func:`outcome_of` decodes an outcome."""
    if options.device == "meta":
        from lrdecay_cli.openmmlab.lazy_imports.stack_imports import load_meta_kernels

        # Half of the time that a child takes, were they loaded there.
        load_meta_kernels()

    def work(config: str) -> bytes:
        by = None if cache is None else partial(cache.built, config, partial(audited, config, options))
        outcome = build(config, options, by)
        if options.notes_dependencies:
            from lrdecay_cli.cache.dependencies import dependencies

            found = msgspec.convert(dependencies(), Dependencies)
            outcome = msgspec.structs.replace(outcome, dependencies=found)
        return outcome.encoded(finite=options.finite)

    return in_children(
        configs, work, jobs=jobs, timeout=options.timeout, memory=options.memory, verbose=options.verbose
    )


def probe(options: BuildSpec) -> tuple[list[str], list[str]]:
    """Return the restrictions that this system enforces on a sandboxed child, and those that it cannot enforce.

    A child process tests the restrictions; it runs no config.
    """

    def work(_: str) -> bytes:
        measures = confine(Confinement(options.scratch, ()))
        return msgspec.json.encode(([str(m) for m in measures if m.by], [str(m) for m in measures if not m.by]))

    (child,) = in_children(["probe"], work, jobs=1)
    return msgspec.json.decode(child.answer, type=tuple[list[str], list[str]])


def audited(config: str, options: BuildSpec, change: Callable[[Any], None] | None = None) -> GroupMap:
    """Build the group map of a config in this process. ``change`` edits the loaded config before the build."""
    with stdout_to_stderr():
        from lrdecay_cli.openmmlab.lazy_imports.stack_imports import import_torch

        import_torch()
        from lrdecay_cli.openmmlab.audit import audit

        return audit(
            config,
            cfg_options=options.cfg_options,
            device=options.device,
            verbose=options.verbose,
            exact=options.exact,
            launch=options.launch,
            change=change,
        )


def needed_packages(configs: Iterable[str]) -> list[str]:
    """Return the installed packages to import before children are forked.

    These are mmdet, mmpretrain if a config names it, and the package to which all configs belong. Importing mmdet or
    mmpretrain changes no result: mmengine finds their classes only in their own scopes, ``mmdet`` and ``mmpretrain``.
    Other packages may change results: mmpose registers a constructor for all scopes.
    """

    def names_mmpretrain(config: str) -> bool:
        file = config_path(config)
        text = file.read_text(encoding="utf-8", errors="replace") if file else ""
        return "mmpretrain" in config or "mmpretrain" in text

    configs = list(configs)
    needed = ["mmdet"] if find_spec("mmdet") else []
    if find_spec("mmpretrain") and any(map(names_mmpretrain, configs)):
        needed.append("mmpretrain")
    zoos = {config.partition(SEPARATOR)[0] for config in configs}
    return needed + [zoo for zoo in zoos if len(zoos) == 1 and zoo in ZOOS and zoo not in needed and find_spec(zoo)]
