"""The command ``lrdecay baseline``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, Text, Texts, argument, expanded, option


@expanded(without=("output", "isolate"))
def baseline(
    context: typer.Context,
    targets: Annotated[
        Texts,
        argument("[TARGET...]", "Configs, exported maps (.json), directories, or mmdet::DIR.", completion.configs),
    ] = None,
    folder: Annotated[
        Text, option("--output", "-o", "DIR", "Output directory. [default: option baseline of the settings file]")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Update all existing baselines. Text baselines stay text, JSON stays JSON.")
    ] = False,
    form: Annotated[
        Text,
        option(
            "--form",
            "FORM",
            "Format: text (for review) or json (the whole map). [default: that of the existing file, else text]",
            complete=completion.forms,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a baseline is missing or outdated.")
    ] = False,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Write the groups of configs to baseline files for check.

    check --baseline compares configs with these baselines. Existing baselines are updated; a baseline that is up to
    date is not written again. The exit code is 0, or 2 if a config could not be built or a file could not be written.

    \b
    lrdecay baseline configs/ -o baselines/
    lrdecay baseline --update
    lrdecay check configs/ --baseline baselines/
    """
    from pathlib import Path

    from msgspec.structs import replace

    from lrdecay_cli import __version__
    from lrdecay_cli.app.requests.checks import gather, is_config, named_by
    from lrdecay_cli.app.shell import CANNOT_JUDGE, CLEAN, DIFFERENT
    from lrdecay_cli.app.shell.settings import baseline_of
    from lrdecay_cli.checking.baseline_files import FORMS, BaselineFile, baselines_in, check_folder
    from lrdecay_cli.checking.baseline_writing import write_baselines
    from lrdecay_cli.checking.baselines import command_of_program
    from lrdecay_cli.checking.reporting import baseline_report, program_notes, removal, skipped_notes
    from lrdecay_cli.domain.change import BASELINE_SCHEMA_VERSION, BaselineResult
    from lrdecay_cli.domain.errors import LrdecayError, not_one_of
    from lrdecay_cli.domain.group_map import Tool
    from lrdecay_cli.files.config_path import SEPARATOR

    destinations = output.destinations()
    known = next((each for each in FORMS if each == form), None)
    if form is not None and known is None:
        raise not_one_of(f"unknown form {form!r}", form, FORMS, where="--form")
    if update and targets:
        raise LrdecayError(
            "this option updates all existing baselines, so no configs can be given",
            where="--update",
            fix="leave out --update or the configs",
        )
    # The folder that the documentation uses, if neither an option nor a settings file names one.
    usual = "baselines" if update and Path("baselines").is_dir() else None
    given = folder or baseline_of(context) or usual
    files: dict[str, str] = {}
    of_programs: list[BaselineFile] = []
    gone: set[str] = set()
    skipped: list[str] = []
    if not update:
        if not targets:
            fix = "name configs, or update the existing baselines with --update"
            raise LrdecayError("no configs", where="baseline", fix=fix)
        names = named_by(targets, skipped)
        configs = [name for name in names if is_config(name)]
        place = check_folder(given, configs, maps=len(names) - len(configs))
    else:
        place = check_folder(given, ())
        for each in baselines_in(place):
            if each.of_program:
                of_programs.append(each)
            else:
                files[each.config] = each.path
        names = [*files]
        if not names and of_programs:
            first = of_programs[0]
            fix = f"in the script: {command_of_program(place, first.config)}"
            problem = "this is the baseline of a training script, and --update does not run scripts"
            raise LrdecayError(problem, where=first.path, fix=fix)
        if not names:
            fix = f"create a baseline: lrdecay baseline CONFIGS -o {place}"
            raise LrdecayError("no baseline found", where=place, fix=fix)
        gone = {name for name in names if is_config(name) and SEPARATOR not in name and not Path(name).exists()}
        if len(names) == len(gone) == 1:
            raise LrdecayError("no such config", where=names[0], fix=removal(files[names[0]]))
    gathered = gather(names, build.request(), jobs=build.workers)
    unjudged = tuple(
        replace(each, problem=f"no such config; {removal(files[each.config])}") if each.config in gone else each
        for each in gathered.unjudged
    )
    check_folder(place, [group_map.config.path for group_map in gathered.maps])
    records = tuple(write_baselines(place, gathered.maps, form=known, write=not check))
    result = BaselineResult(BASELINE_SCHEMA_VERSION, Tool("lrdecay", __version__), records, unjudged)
    notes = (*skipped_notes(skipped, build.verbose), *program_notes(place, of_programs))
    destinations.write(baseline_report(result, notes))
    if unjudged:
        raise typer.Exit(CANNOT_JUDGE)
    raise typer.Exit(DIFFERENT if any(target.state in ("missing", "outdated") for target in records) else CLEAN)
