"""Build many configs independently: from the cache, or each in its own child process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.availability import check_stack
from lrdecay_cli.processes.outcomes import BuildOutcome, BuildSpec, Failure, MapCache, outcome_of

MOST_CACHED = 256
"""Number of configs. The maps of a whole zoo would push everything else out of the cache."""


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

    Each config is built in a forked child, or without fork in another process. Modules with equal names in two
    projects, registrations and changed defaults stay there.

    Args:
        configs: names of configs.
        options: how to build them.
        jobs: number of builds at a time.
        cache: looked up for every config; stores new results unless there are more than ``MOST_CACHED``.
        load: called with the configs to build; imports the stack for all of them. Default: all registered modules of
            the packages that they name, which is fastest for many.
        here: builds a single remaining config in this process; its errors are raised.
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
    """Yield ``options`` for confined children (``--isolate``), which run untrusted configs.

    They have a scratch folder, removed at the end. Reports on stderr what is enforced. Raises LrdecayError if this
    system cannot fork.
    """
    import shutil
    import tempfile

    from lrdecay_cli.processes.building import probe

    if not hasattr(os, "fork"):
        raise LrdecayError(f"{sys.platform} cannot isolate a process", where="--isolate", fix="use Linux")
    scratch = tempfile.mkdtemp(prefix="lrdecay-")
    try:
        confined = msgspec.structs.replace(options, scratch=scratch, verbose=False, finite=True)
        enforced, missing = probe(confined)
        limits = [f"{options.timeout:g} s"] if options.timeout else []
        limits += [f"{options.memory / 2**30:g} GiB"] if options.memory else []
        print(f"lrdecay: isolated from: {'; '.join([*enforced, ', '.join(limits)])}", file=sys.stderr)  # noqa: T201
        if missing:
            print(f"lrdecay: warning: not enforced here: {'; '.join(missing)}", file=sys.stderr)  # noqa: T201
        yield confined
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
