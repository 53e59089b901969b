"""The command ``lrdecay inspect``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, Text, Watch, argument, expanded, option


@expanded(without=("jobs",))
def inspect(
    context: typer.Context,
    config: Annotated[
        str,
        argument(
            "CONFIG",
            "A config (.py, .json, .yaml), mmdet::PATH for a config of MMDetection's zoo, an exported map (.json),"
            " a checkpoint (.pth), or a work_dir (the config that its training dumped).",
            completion.configs_and_checkpoints,
        ),
    ],
    by: Annotated[
        str, option("--by", "VIEW", "Show one row per group, layer, parameter or module.", complete=completion.views)
    ] = "group",
    pattern: Annotated[
        Text, option("--filter", "GLOB", "Show only parameters with a matching name, module or group.")
    ] = None,
    sort: Annotated[
        Text,
        option(
            "--sort",
            "COLUMN",
            "Sort by this column (heading or CSV name). -COLUMN sorts descending.",
            complete=completion.columns,
        ),
    ] = None,
    watch: Watch = False,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Show the parameter groups that a config's constructor builds.

    Builds the model without weights, runs the real constructor and optimizer, and reads the groups from the optimizer.

    \b
    lrdecay inspect config.py
    lrdecay inspect mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py --by layer
    lrdecay inspect config.py --cfg-options optim_wrapper.optimizer.lr=0.001
    """
    from lrdecay_cli.analysis.inspecting.report import check_view, inspection
    from lrdecay_cli.app.requests.sources import group_maps_of
    from lrdecay_cli.checking.embedded_findings import inspected_findings
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.files.work_dir import dumped_config, is_work_dir

    destinations = output.destinations()
    check_view(by, sort)
    if set(destinations.formats) == {"json"} and (pattern or sort or by != "group"):
        raise LrdecayError(
            "a JSON map always contains every parameter",
            where="--format json",
            fix="leave out --by, --filter and --sort",
        )
    # The notes of the whole map differ from those of the report, which --filter narrows.
    if "html" in destinations.formats and (pattern or sort or by != "group"):
        raise LrdecayError(
            "an HTML page always shows all groups, modules and parameters",
            where="--format html",
            fix="leave out --by, --filter and --sort; filter and sort in the page",
        )
    request = build.request()
    if watch:
        from lrdecay_cli.app.watching.session import answer_again

        answer_again(context, [config], build)
    source = dumped_config(config) if is_work_dir(config) else config
    (group_map,) = group_maps_of((source,), request)
    findings = inspected_findings(group_map)
    report = inspection(group_map, by=by, pattern=pattern, sort=sort, verbose=build.verbose, findings=findings)
    text = destinations.write(report)
    # The cache cannot see which file of a directory was chosen.
    if source == config and destinations.repeatable and not build.verbose:
        request.caching.cache_report(text)
