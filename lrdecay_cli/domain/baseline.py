"""What ``baseline`` did, as its JSON format writes it."""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.finding import Skipped
from lrdecay_cli.domain.group_map import Tool

BASELINE_SCHEMA_VERSION = 1

State = Literal["written", "updated", "unchanged", "missing", "outdated"]
"""What became of a file; ``missing`` and ``outdated`` are for ``--check``, which writes nothing."""


class BaselineRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The baseline of one config."""

    config: str
    file: str
    state: State
    changes: int | None
    """Parameters that differ from what the file said before; null where there was nothing to compare with."""


class BaselineResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that one run of ``baseline`` did."""

    schema_version: int
    tool: Tool
    baselines: tuple[BaselineRecord, ...]
    unjudged: tuple[Skipped, ...]
    """Configs that could not be built, and have the baseline that they had."""
