"""Return the outcomes of many configs, from the cache or from builds in separate child processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files.temporary import temporary_folder
from lrdecay_cli.openmmlab.availability import check_stack
from lrdecay_cli.processes.outcomes import BuildOutcome, BuildSpec, Failure, MapCache, outcome_of

MOST_CACHED = 256
"""New maps are cached only if at most this number of configs is built.

The maps of a whole zoo would displace all other entries of the cache.
"""


def build_many(
    configs: Sequence[str],
    options: BuildSpec,
    *,
    jobs: int,
    cache: MapCache | None = None,
    load: Callable[[Sequence[str]], None] | None = None,
    here: Callable[[str], GroupMap] | None = None,
) -> Generator[BuildOutcome, None, None]:
    """Yield the outcome of each config when it is ready: first cached results, then builds.

    Each config is built in a forked child process, or in a new process if the system cannot fork. So configs do not
    affect each other through imported modules, registered classes or changed defaults.

    Args:
        configs: names of configs.
        options: options for building configs.
        jobs: number of configs to build in parallel.
        cache: cache in which every config is looked up. It stores new results if at most ``MOST_CACHED`` configs are
            built.
        load: function that imports torch and the OpenMMLab packages once for all builds. Its argument is the list of
            configs to build. By default, all registered modules of the packages that the configs name are imported,
            which is fastest for many configs.
        here: function that builds a config in this process. It is used if exactly one config has to be built. Its
            errors are raised.
    """
    missing = []
    for config in configs:
        cached = cache.cached(config) if cache else None
        if cached is None:
            missing.append(config)
        elif isinstance(cached, Failure):
            yield BuildOutcome(config, failure=cached)
        else:
            yield BuildOutcome(config, cached)
    if not missing:
        return
    if here and len(missing) == 1:
        yield BuildOutcome(missing[0], here(missing[0]))
        return
    check_stack(missing[0])
    if not hasattr(os, "fork"):
        from concurrent.futures import ThreadPoolExecutor

        from lrdecay_cli.processes.servers import submitted

        with ThreadPoolExecutor(jobs) as executor:
            yield from submitted(executor, options, missing)
        return
    from lrdecay_cli.openmmlab.preloading import preload_stack
    from lrdecay_cli.processes.building import in_forks, needed_packages

    # Before recording starts, because this reads the text of every config.
    packages = [] if load else needed_packages(missing)
    keeping = cache if len(missing) <= MOST_CACHED else None
    if keeping:
        keeping.begin()
    if load:
        load(missing)
    else:
        preload_stack(packages)
    if not (keeping or load or options.exact):
        from lrdecay_cli.openmmlab.shared_bases import share_common

        # Not where results are cached: each would depend on all that is read here.
        share_common(missing)
    if keeping:
        keeping.loaded()
    # Closed with this generator: its children must not outlive it.
    with closing(in_forks(missing, options, jobs=jobs, cache=keeping)) as children:
        for child in children:
            outcome = outcome_of(child, finite=options.finite)
            if outcome.dependencies is not None:
                from lrdecay_cli.cache.dependencies import note

                note(msgspec.to_builtins(outcome.dependencies))
            yield outcome


@contextmanager
def isolation(options: BuildSpec) -> Iterator[BuildSpec]:
    """Yield ``options`` with which child processes build untrusted configs in a sandbox (``--isolate``).

    The children may write only to a scratch folder, which is removed at the end. A line on stderr lists the enforced
    restrictions. Raises LrdecayError if this system cannot fork.
    """
    from lrdecay_cli.processes.building import probe

    if not hasattr(os, "fork"):
        raise LrdecayError(f"{sys.platform} cannot isolate a process", where="--isolate", fix="use Linux")
    with temporary_folder() as scratch:
        confined = msgspec.structs.replace(options, scratch=scratch, verbose=False, finite=True)
        enforced, missing = probe(confined)
        limits = [f"{options.timeout:g} s"] if options.timeout else []
        limits += [f"{options.memory / 2**30:g} GiB"] if options.memory else []
        print(f"lrdecay: isolated from: {'; '.join([*enforced, ', '.join(limits)])}", file=sys.stderr)  # noqa: T201
        if missing:
            print(f"lrdecay: warning: not enforced here: {'; '.join(missing)}", file=sys.stderr)  # noqa: T201
        yield confined
