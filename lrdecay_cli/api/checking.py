"""For Python programs, pytest among them: ``lrdecay_cli.audit`` and ``lrdecay_cli.check``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from lrdecay_cli.api.overrides import CfgOptions, overrides_of
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Severity
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Launch


def audit(
    config: str | os.PathLike[str],
    *,
    cfg_options: CfgOptions | None = None,
    device: str = "cpu",
    gpus: int | None = None,
    batch_size: int | None = None,
    auto_scale_lr: bool = False,
) -> GroupMap:
    """Build what a training config describes, run its own constructor and read the parameter groups back.

    This imports torch and the OpenMMLab packages, and runs the config, in this process. The model has no weights.

    Args:
        config: path of a config, or ``mmdet::<path>`` for the zoo of an installed package.
        cfg_options: overrides: a dict, ``{"optim_wrapper.optimizer.lr": 1e-3}`` or nested as for mmengine's
            ``merge_from_dict``; or a list of ``key=value`` as for ``--cfg-options``.
        device: ``cpu``, ``meta``, ``mps``, ``cuda`` or ``cuda:<n>``; the map is the same.
        gpus: how many train; 1 is assumed where it is not given.
        batch_size: samples in a batch of one GPU; the config's where it is not given.
        auto_scale_lr: switch the config's ``auto_scale_lr`` on, as ``tools/train.py --auto-scale-lr`` does.

    Raises:
        LrdecayError: the stack, the config, the model, the constructor or the device is not to be had.
    """
    from lrdecay_cli.openmmlab.availability import check_config

    check_config(os.fspath(config))
    from lrdecay_cli.openmmlab.audit import audit as build

    launch = Launch(gpus, batch_size, auto_scale_lr)
    return build(os.fspath(config), cfg_options=overrides_of(cfg_options), device=device, launch=launch)


def check(
    group_map: GroupMap | str | os.PathLike[str],
    *,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    fail_on: Severity = "error",
    baseline: GroupMap | str | os.PathLike[str] | None = None,
    settings: str | os.PathLike[str] | None = None,
    today: date | None = None,
) -> CheckResult:
    """Run the rules over a group map. Needs no torch.

    ::

        def test_parameter_groups():
            result = lrdecay_cli.check(lrdecay_cli.audit("configs/mine.py"), baseline="baselines/mine.txt")
            result.raise_on_failure()

    Args:
        group_map: what :func:`audit` gives, or the path of an exported map (.json).
        select: codes, beginnings of codes or names of the only rules to run; all if empty.
        ignore: those of rules not to run; where both name a rule, the longer one counts.
        fail_on: from which severity up :meth:`CheckResult.failing` has a finding.
        baseline: a map, or the path of one, from which every difference is a finding.
        settings: a settings file whose assertions and suppressions hold; none is looked for. Suppressions in comments
            of the config hold where ``group_map`` is no path.
        today: the day on which suppressions are judged, by default the present one.

    Raises:
        LrdecayError: a map or the settings cannot be read, a rule or severity is unknown.
    """
    from lrdecay_cli.checking.baselines import read_baseline
    from lrdecay_cli.checking.checking import check_maps
    from lrdecay_cli.checking.reporting import check_severity
    from lrdecay_cli.domain.settings import Settings
    from lrdecay_cli.files import read_bytes, read_map
    from lrdecay_cli.files.config_text import comment_suppressions
    from lrdecay_cli.files.settings_file import parse_settings
    from lrdecay_cli.rules import chosen_rules
    from lrdecay_cli.rules.context.policy import Baseline

    said = Settings()
    if settings is not None:
        path = os.fspath(settings)
        found = parse_settings(read_bytes(path), path)
        if found is None:
            raise LrdecayError("has no [tool.lrdecay]", where=path)
        said = found
    judged = group_map if isinstance(group_map, GroupMap) else read_map(os.fspath(group_map))
    config = judged.config.path
    baselines = {}
    if isinstance(baseline, GroupMap):
        baselines[config] = Baseline(baseline.config.path, baseline)
    elif baseline is not None:
        baselines[config] = read_baseline(str(Path(baseline)), judged)
    return check_maps(
        [judged],
        chosen_rules(select, ignore),
        settings=said,
        baselines=baselines,
        comments={config: comment_suppressions(config)} if judged is group_map else {},
        fail_on=check_severity(fail_on),
        today=today,
    )
