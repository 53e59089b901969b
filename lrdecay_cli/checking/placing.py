"""Find the file, line and column that set the option of a finding, in a config or its bases."""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Finding
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.origins import ConfigOrigins, config_origins


def placed(result: CheckResult, configs: Container[str], overrides: Sequence[str] = ()) -> CheckResult:
    """Return the result with a file and line for each finding about an option.

    If the option is a dict or list, this is the line that set a part of it last.

    Args:
        result: the findings.
        configs: the configs that were built. Findings in maps and checkpoints stay unchanged.
        overrides: ``--cfg-options`` of all configs.
    """
    known: dict[str, ConfigOrigins | None] = {}

    def origins_of(config: str) -> ConfigOrigins | None:
        if config not in known:
            try:
                known[config] = config_origins(config, overrides)
            except LrdecayError:
                # The config was built, but its text does not show where options are set.
                known[config] = None
        return known[config]

    def found(finding: Finding) -> Finding:
        if not finding.option or finding.place or finding.config not in configs:
            return finding
        origins = origins_of(finding.config)
        option = _nearest(origins, finding.option) if origins else None
        if origins is None or option is None:
            return finding
        option = origins.last_set(option)
        if option.origin.unknown:
            return finding
        where = [origin.key or origin.place for origin in (*option.overridden, option.origin)]
        bases = origins.bases_to(where[-1].file)
        return msgspec.structs.replace(finding, place=where[-1], replaces=tuple(where[:-1]), bases=bases)

    return msgspec.structs.replace(result, findings=tuple(map(found, result.findings)))


def _nearest(origins: ConfigOrigins, path: str) -> Option | None:
    """Return the option at a path. If the path is not set, return the innermost dict on the path that is set."""
    while path:
        if option := origins.at(path):
            return option
        path = path.rpartition(".")[0]
    return None
