"""The hook that holds a training to what was audited."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import msgspec

from lrdecay_cli.analysis.comparison import check_aspects, comparison
from lrdecay_cli.analysis.inspection import inspection
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Report
from lrdecay_cli.files.atomic import write_text
from lrdecay_cli.files.json_text import to_json
from lrdecay_cli.files.map_file import read_map
from lrdecay_cli.formats import Canvas, renderer
from lrdecay_cli.openmmlab.live_groups import LiveGroupsHook, register_hook

_NAME = "ParamGroupAuditHook"
_OPTIONS = ("filename", "baseline", "only", "rtol", "priority")


@register_hook()
class ParamGroupAuditHook(LiveGroupsHook):
    """Before training: writes the group map of the live optimizer, logs it, and stops where it is not the audited one.

    ::

        custom_hooks = [dict(type='ParamGroupAuditHook', baseline='audited.json')]

    Args:
        filename: name of the JSON map in the work directory.
        baseline: a map that ``lrdecay inspect --format json`` or this hook wrote; None for none. It is read at once.
        only: what has to be the same, as ``--only`` of ``lrdecay diff``; None for everything.
        rtol: relative tolerance for lr, lr scale and weight decay.

    Raises:
        LrdecayError: an option or the baseline cannot be used; before training, the groups are not the baseline's, or
            the map cannot be written.
    """

    def __init__(
        self,
        *,
        filename: str = "param_groups.json",
        baseline: str | None = None,
        only: list[str] | None = None,
        rtol: float = 0.0,
        **unknown: Any,
    ) -> None:
        for name in unknown:
            nearest = difflib.get_close_matches(name, _OPTIONS, n=1)
            remedy = f"did you mean {nearest[0]!r}?" if nearest else f"allowed: {', '.join(_OPTIONS)}"
            raise LrdecayError(f"unknown option {name!r}", where=_NAME, remedy=remedy)
        self.filename = filename
        self.baseline = baseline
        self.aspects = check_aspects(only, rtol)
        self.rtol = rtol
        self.audited = None if baseline is None else read_map(baseline)

    def judge(self, group_map: GroupMap, work_dir: Path, logger: Any) -> None:
        """Write and log the map on the first rank; compare it on every rank, so that all of them stop together."""
        written = work_dir / self.filename
        if logger is not None:
            write_text(written, to_json(group_map))
            logger.info(f"Parameter groups ({written}):\n{_table(group_map)}")
        # RULES: run lrdecay_cli.rules over group_map here and log the findings.
        if self.audited is None:
            return
        result = comparison(self.audited, group_map, rtol=self.rtol, only=self.aspects)
        if not result.differs:
            return
        if logger is not None:
            logger.error(f"Parameter groups are not those of {self.baseline}:\n{_text(result.report)}")
        raise LrdecayError(
            f"the parameter groups are not the audited ones ({result.report.summary})",
            where=f"{_NAME}(baseline={self.baseline!r})",
            remedy=f"see: lrdecay diff {self.baseline} {written}",
        )


def _table(group_map: GroupMap) -> str:
    return _text(msgspec.structs.replace(inspection(group_map), facts=()))


def _text(report: Report) -> str:
    return renderer("text")(report, Canvas()).rstrip()
