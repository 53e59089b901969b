"""Define a hook that stops a training if its parameter groups differ from the audited groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from lrdecay_cli.analysis.comparing.report import check_aspects, comparison
from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.checking.reporting import check_severity, report_of
from lrdecay_cli.decay.batch_scaling import with_factor_of
from lrdecay_cli.domain.errors import LrdecayError, not_one_of
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.precision import CLOSE
from lrdecay_cli.domain.report import Report
from lrdecay_cli.files.map_file import read_map
from lrdecay_cli.files.writing import to_json, write_text
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.plain_text import render
from lrdecay_cli.openmmlab.from_runner import LiveGroupsHook, register_hook
from lrdecay_cli.rules import chosen_rules

_NAME = "ParamGroupAuditHook"
_OPTIONS = ("baseline", "only", "rtol", "select", "ignore", "fail_on", "filename", "log_lr", "priority")


@register_hook()
class ParamGroupAuditHook(LiveGroupsHook):
    """Before training, write the group map of the live optimizer, run the rules, and stop on errors or differences.

    ::

        custom_hooks = [dict(type='ParamGroupAuditHook', baseline='audited.json')]

    Args:
        baseline: a group map written by ``lrdecay inspect --format json`` or by this hook. It is read when the hook is
            built. None: compare with no map.
        only: aspects that must be equal, as in ``lrdecay diff --only``; None for all.
        rtol: relative tolerance for lr, lr scale and weight decay.
        select: the rules to run, as in ``lrdecay check --select``; None for all.
        ignore: rules to skip.
        fail_on: stop on findings of this severity or worse. None: do not stop on findings.
        filename: name of the JSON map in the work directory.
        log_lr: log the lr of every group (``lr/layer_0``, …) when LoggerHook logs. mmengine's own key ``lr`` contains
            only the lr of the first group.

    Raises:
        LrdecayError: an option or the baseline is invalid. Before training: the groups differ from the baseline, a rule
            reports a finding of severity ``fail_on`` or worse, or the map cannot be written.
    """

    def __init__(
        self,
        *,
        baseline: str | None = None,
        only: Sequence[str] | None = None,
        rtol: float = 0.0,
        select: Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        fail_on: str | None = None,
        filename: str = "param_groups.json",
        log_lr: bool = False,
        **unknown: Any,
    ) -> None:
        for name in unknown:
            raise not_one_of(f"unknown option {name!r}", name, _OPTIONS, where=_NAME)
        self.rules = chosen_rules(select or (), ignore or ())
        self.fail_on = None if fail_on is None else check_severity(fail_on, f"{_NAME}.fail_on")
        self.filename = filename
        self.log_lr = log_lr
        self.baseline = baseline
        self.aspects = check_aspects(only, rtol)
        self.rtol = rtol
        self.audited = None if baseline is None else read_map(baseline)

    def judge(self, group_map: GroupMap, work_dir: Path, logger: Any) -> None:
        """Check the group map on every rank, so that all ranks stop together. Only the first rank writes and logs."""
        written = work_dir / self.filename
        if logger is not None:
            write_text(written, to_json(group_map))
            table = msgspec.structs.replace(inspection(group_map).report, facts=())
            logger.info(f"Parameter groups ({written}):\n{_text(table)}")
        checked = check_maps([group_map], self.rules, fail_on=self.fail_on or "error")
        report = report_of(checked).report
        if logger is not None and checked.findings:
            logger.warning(f"Parameter groups, rules:\n{_text(report)}")
        if self.fail_on is not None and checked.failing():
            place = f"{_NAME}(fail_on={self.fail_on!r})"
            fix = "see the log for findings and fixes"
            raise LrdecayError(f"the rules report {report.summary}", where=place, fix=fix)
        if self.audited is None:
            return
        audited = with_factor_of(self.audited, group_map)
        exact = audited is self.audited or self.audited.lr_factor == 1
        rtol = self.rtol if exact else max(self.rtol, CLOSE)
        result = comparison(audited, group_map, rtol=rtol, only=self.aspects)
        if result.document.identical:
            return
        if logger is not None:
            logger.error(f"Parameter groups differ from {self.baseline}:\n{_text(result.report)}")
        raise LrdecayError(
            f"the parameter groups differ from the audited groups ({result.report.summary})",
            where=f"{_NAME}(baseline={self.baseline!r})",
            fix=f"run: lrdecay diff {self.baseline} {written}",
        )


def _text(report: Report) -> str:
    return render(report, Canvas()).rstrip()
