"""The commands ``lrdecay scan`` and ``lrdecay merge``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, Text, Verbose, Whole, argument, expanded, option


@expanded(without=("named_by", "exact", "no_cache"))
def scan(
    targets: Annotated[
        list[str],
        argument(
            "TARGET...",
            "Configs, directories, globs, or mmdet::DIR for a directory of MMDetection's zoo.",
            completion.configs,
        ),
    ],
    jobs: Annotated[
        Whole, option("--jobs", "-j", "N", "Number of configs to build in parallel. [default: one per core]")
    ] = None,
    timeout: Annotated[float, option("--timeout", "SECONDS", "Time limit for each config; 0 for no limit.")] = 120,
    memory: Annotated[float, option("--memory", "GIB", "Memory limit for each config; 0 for no limit.")] = 8,
    maps: Annotated[
        Text, option("--maps", "DIR", "Write the group map of each config to this directory, as JSON.")
    ] = None,
    resume: Annotated[
        Text, option("--resume", "FILE", "Record finished configs in this file; the next scan skips them.")
    ] = None,
    shard: Annotated[
        Text, option("--shard", "I/N", "Build only part I of N of the configs; lrdecay merge combines the results.")
    ] = None,
    dask: Annotated[Text, option("--dask", "ADDRESS", "Build on a Dask cluster: tcp://scheduler:port.")] = None,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Build many configs, each in its own process, with a summary.

    In a directory, scan builds every .py file except those in _base_ folders. The exit code is 0 if every training
    config gives a group map, 1 if some do not, and 2 if there is nothing to scan.

    \b
    lrdecay scan configs/ --maps maps/
    lrdecay scan mmdet::convnext mmdet::swin --format json > scan.json
    lrdecay scan mmdet:: --resume scan.journal --shard 1/4
    """
    from contextlib import nullcontext
    from functools import partial
    from pathlib import Path

    from lrdecay_cli.app.shell import CLEAN, DIFFERENT
    from lrdecay_cli.app.shell.console import progress
    from lrdecay_cli.app.speed.caching import Caching
    from lrdecay_cli.checking.reporting import skipped_notes
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.openmmlab.availability import check_stack
    from lrdecay_cli.processes.build_many import build_many, isolation
    from lrdecay_cli.processes.outcomes import BuildSpec
    from lrdecay_cli.processes.servers import on_dask
    from lrdecay_cli.scanning.journal import Journal
    from lrdecay_cli.scanning.reporting import report_of
    from lrdecay_cli.scanning.scan import check_maps, document_of
    from lrdecay_cli.scanning.scan import scan as build_all
    from lrdecay_cli.scanning.targets import configs_of, shard_of

    destinations = output.destinations()
    for name, number in (("--jobs", 1 if jobs is None else jobs), ("--timeout", timeout + 1), ("--memory", memory + 1)):
        if number < 1:
            raise LrdecayError("is too small", where=name, fix="leave out the option to use the default")
    if not memory < 2**33:
        # The memory limit of a process is a 64-bit number of bytes.
        raise LrdecayError("is too large", where="--memory", fix="give the limit in GiB; 0 for no limit")
    skipped: list[str] = []
    everything = configs_of(targets, skipped)
    if maps:
        check_maps(Path(maps), everything)
    configs = shard_of(everything, shard)
    if not configs:
        raise LrdecayError("there are fewer configs than shards", where=f"--shard {shard}")
    check_stack(configs[0])
    overrides, options_given = tuple(build.cfg_options or ()), build.launch.options
    limits = (timeout or None, int(memory * 2**30) or None)
    plain = BuildSpec(overrides, build.device, *limits, build.verbose, notes_files=bool(resume), launch=build.launch)
    # A cached map does not record the files that a journal depends on.
    caching = None if build.isolate or resume else Caching((*overrides, *options_given), build.device)
    if build.isolate and dask:
        raise LrdecayError(
            "cannot be combined with --dask: --isolate restricts only processes on this machine",
            where="--isolate",
            fix="leave out --dask",
        )
    bounds = isolation(plain) if build.isolate else nullcontext(plain)
    journal = Journal(Path(resume) if resume else None, (build.device, *overrides, *options_given))
    with bounds as options, journal, progress(len(configs), "scanning") as advance:
        timed = build_all(
            configs,
            partial(on_dask, options, dask)
            if dask
            else partial(build_many, options=options, jobs=build.workers, cache=caching),
            journal,
            maps=Path(maps) if maps else None,
            on_record=lambda timed: advance(timed.record.failed),
        )
    document = document_of((result.record for result in timed), build.device, (*overrides, *options_given), shard)
    notes = skipped_notes(skipped, build.verbose)
    destinations.write(report_of(timed, document, verbose=build.verbose, notes=notes))
    raise typer.Exit(DIFFERENT if any(record.failed for record in document.records) else CLEAN)


@expanded()
def merge(
    scans: Annotated[
        list[str], argument("SCAN.json...", "Files written by scan --format json.", completion.json_files)
    ],
    *,
    output: OutputOptions,
    verbose: Verbose = False,
) -> None:
    """Combine the shards of a scan into one report.

    The exit code is the same as for one scan of all configs.

    \b
    lrdecay merge 1.json 2.json 3.json 4.json
    lrdecay merge 1.json 2.json --format json > scan.json
    """
    from lrdecay_cli.app.shell import CLEAN, DIFFERENT
    from lrdecay_cli.scanning.reporting import report_of
    from lrdecay_cli.scanning.scan import Timed
    from lrdecay_cli.scanning.scan import merge as merge_all

    destinations = output.destinations()
    document = merge_all(scans)
    destinations.write(report_of([Timed(record, None) for record in document.records], document, verbose=verbose))
    raise typer.Exit(DIFFERENT if any(record.failed for record in document.records) else CLEAN)
