"""``lrdecay baseline``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, Text, argument, expanded, option


@expanded(without=("output", "isolate"))
def baseline(
    context: typer.Context,
    targets: Annotated[
        list[str],
        argument("TARGET...", "Configs, exported maps (.json), directories, or mmdet::DIR.", completion.configs),
    ],
    folder: Annotated[Text, option("--output", "-o", "DIR", "Where to. [default: baseline in the settings]")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a file is missing or outdated.")
    ] = False,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Write the maps that check --baseline holds configs against.

    Those that are there are brought up to date; a file that says the same already is left untouched. Exit code 0, or
    2 if something could not be built or written.

    \b
    lrdecay baseline configs/ -o baselines/
    lrdecay check configs/ --baseline baselines/
    """
    from lrdecay_cli import __version__
    from lrdecay_cli.app.requests.checks import gather, is_config, named_by
    from lrdecay_cli.app.shell import CANNOT_JUDGE, CLEAN, DIFFERENT
    from lrdecay_cli.app.shell.settings import baseline_of
    from lrdecay_cli.checking.baselines import check_folder, write_baselines
    from lrdecay_cli.checking.reporting import baseline_report
    from lrdecay_cli.domain.change import BASELINE_SCHEMA_VERSION, BaselineResult
    from lrdecay_cli.domain.group_map import Tool

    destinations = output.destinations()
    names = named_by(targets)
    place = check_folder(folder or baseline_of(context), [name for name in names if is_config(name)])
    gathered = gather(names, build.request(), jobs=build.workers)
    check_folder(place, [group_map.config.path for group_map in gathered.maps])
    records = tuple(write_baselines(place, gathered.maps, write=not check))
    result = BaselineResult(BASELINE_SCHEMA_VERSION, Tool("lrdecay", __version__), records, gathered.unjudged)
    destinations.write(baseline_report(result))
    if gathered.unjudged:
        raise typer.Exit(CANNOT_JUDGE)
    raise typer.Exit(DIFFERENT if any(one.state in ("missing", "outdated") for one in records) else CLEAN)
