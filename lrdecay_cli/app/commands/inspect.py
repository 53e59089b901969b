"""``lrdecay inspect``."""

from __future__ import annotations

from typing import Annotated

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, Text, argument, expanded, option


@expanded(without=("jobs",))
def inspect(
    config: Annotated[
        str,
        argument(
            "CONFIG",
            "A config (.py, .json, .yaml), mmdet::PATH for one of MMDetection's own, an exported map (.json),"
            " a checkpoint (.pth), or a work_dir (the config that its training dumped).",
            completion.configs_and_checkpoints,
        ),
    ],
    by: Annotated[
        str, option("--by", "VIEW", "group, layer, parameter or module.", complete=completion.views)
    ] = "group",
    pattern: Annotated[Text, option("--filter", "GLOB", "Only parameters whose name, module or group fits.")] = None,
    sort: Annotated[
        Text,
        option("--sort", "COLUMN", "Sort by a heading, or its name in CSV; -COLUMN down.", complete=completion.columns),
    ] = None,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Show the parameter groups that a config's constructor builds.

    The model is built without weights, the real constructor and optimizer are run, and the groups are read back.

    \b
    lrdecay inspect config.py
    lrdecay inspect mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py --by layer
    lrdecay inspect config.py --cfg-options optim_wrapper.optimizer.lr=0.001
    """
    from lrdecay_cli.analysis.inspecting.report import check_view, inspection
    from lrdecay_cli.app.requests.sources import group_maps_of
    from lrdecay_cli.checking.shown import inspected_findings
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.files.work_dir import dumped_config, is_work_dir

    destinations = output.destinations()
    check_view(by, sort)
    if set(destinations.formats) == {"json"} and (pattern or sort or by != "group"):
        raise LrdecayError(
            "a JSON map is always whole", where="--format json", fix="leave out --by, --filter and --sort"
        )
    # Its notes are those of the report, which a filter narrows.
    if "html" in destinations.formats and (pattern or sort or by != "group"):
        raise LrdecayError(
            "a page shows every view of the whole map, and filters and sorts itself",
            where="--format html",
            fix="leave out --by, --filter and --sort",
        )
    request = build.request()
    source = dumped_config(config) if is_work_dir(config) else config
    (group_map,) = group_maps_of((source,), request)
    findings = inspected_findings(group_map)
    report = inspection(group_map, by=by, pattern=pattern, sort=sort, verbose=build.verbose, findings=findings)
    text = destinations.write(report)
    # Which file of a directory was meant leaves no trace in what the cache looks at.
    if source == config and destinations.repeatable and not build.verbose:
        request.caching.keep_report(text)
