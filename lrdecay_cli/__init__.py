"""lrdecay: inspect, compare and guard the parameter groups of OpenMMLab training configs.

For Python programs: :func:`lrdecay_cli.audit` builds the group map of a config, and :func:`lrdecay_cli.check` reports
mistakes in a config or group map.
"""

# Importing typing takes longer than using a cached result.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lrdecay_cli.api import (
        CheckedDryRun,
        CheckFailed,
        CheckResult,
        GroupMap,
        LrdecayError,
        audit,
        audit_optimizer,
        check,
        diff,
        dry_run,
        explain,
        load,
        schedule,
        suggest,
    )

__version__ = "0.2.0"
__all__ = [
    "CheckFailed",
    "CheckResult",
    "CheckedDryRun",
    "GroupMap",
    "LrdecayError",
    "__version__",
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


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    # Deferred import: the command line does not need the API.
    if name in __all__:
        from lrdecay_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
