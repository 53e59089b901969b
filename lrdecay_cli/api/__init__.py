"""The Python API of ``import lrdecay_cli``, for programs, tests and notebooks."""

from lrdecay_cli.api.building import CheckedDryRun, audit, dry_run, load, schedule, suggest
from lrdecay_cli.api.checking import check
from lrdecay_cli.api.comparing import diff, explain
from lrdecay_cli.api.live import audit_optimizer
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckFailed, CheckResult
from lrdecay_cli.domain.group_map import GroupMap

__all__ = [
    "CheckFailed",
    "CheckResult",
    "CheckedDryRun",
    "GroupMap",
    "LrdecayError",
    "audit",
    "audit_optimizer",
    "check",
    "diff",
    "dry_run",
    "explain",
    "load",
    "schedule",
    "suggest",
]
