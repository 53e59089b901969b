"""From what is installed to a diagnosis."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence

from lrdecay_cli import __version__
from lrdecay_cli.doctor.checks import issues, needs
from lrdecay_cli.doctor.known import PROVIDERS
from lrdecay_cli.doctor.survey import Survey, survey
from lrdecay_cli.domain.diagnosis import DIAGNOSIS_SCHEMA_VERSION, Diagnosis, Issue
from lrdecay_cli.domain.group_map import StandIn, Tool
from lrdecay_cli.openmmlab.stubs.kernels import MMCV_OPS, TORCHVISION_OPS


def diagnose(path: Sequence[str] | None = None) -> Diagnosis:
    """Judge an environment by its metadata alone; nothing of it is imported.

    Args:
        path: folders that hold the packages, as in ``sys.path``; None for where this process imports from.
    """
    found = survey(PROVIDERS, path)
    told = issues(found)
    return Diagnosis(
        schema_version=DIAGNOSIS_SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        usable=all(issue.severity != "error" for issue in told),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=tuple(found.packages.values()),
        stand_ins=tuple(_expected_stand_ins(found, told)),
        issues=told,
        needs=needs(found),
        devices=None,
        trials=None,
    )


def _expected_stand_ins(found: Survey, told: Sequence[Issue]) -> Iterator[StandIn]:
    mmcv = found.packages.get("mmcv")
    if mmcv is not None and mmcv.operators is False:
        yield MMCV_OPS
    if any(issue.package == "torchvision" and issue.severity != "error" for issue in told):
        yield TORCHVISION_OPS
