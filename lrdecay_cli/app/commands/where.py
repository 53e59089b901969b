"""The command ``lrdecay where``."""

from __future__ import annotations

from typing import Annotated

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import CfgOptions, OutputOptions, Texts, TrainingConfig, argument, expanded


@expanded()
def where(
    config: TrainingConfig,
    options: Annotated[
        Texts,
        argument(
            "[OPTION]...",
            "Options, such as optim_wrapper.paramwise_cfg; '*' for all. [default: all training options]",
            completion.options_of_config,
        ),
    ] = None,
    *,
    cfg_options: CfgOptions = None,
    output: OutputOptions,
) -> None:
    """Print where each option gets its value: file, line and column.

    Overridden values are listed too.

    The command follows bases, _delete_, variables, {{_base_.x}}, read_base and --cfg-options. The config is read but
    not run, so torch is not needed. A value that only a run of the config could give is reported as unknown.

    \b
    lrdecay where config.py optim_wrapper.paramwise_cfg
    lrdecay where config.py optim_wrapper.optimizer.lr --format json
    """
    from pathlib import Path

    from lrdecay_cli.analysis.where import where as found
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.files import looks_like_map, read_bytes
    from lrdecay_cli.files.config_path import is_checkpoint
    from lrdecay_cli.origins import config_origins

    destinations = output.destinations()
    is_json = config.endswith(".json") and Path(config).is_file()
    if is_checkpoint(config) or (is_json and looks_like_map(read_bytes(config))):
        raise LrdecayError(
            "group maps and checkpoints do not record where options are set", where=config, fix="give the config"
        )
    destinations.write(found(config_origins(config, cfg_options or ()), options or ()))
