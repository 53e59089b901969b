"""The status of every config of the installed zoos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from mmengine.utils import get_installed_path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from tests.golden import Table

PACKAGES = ("mmdet", "mmpretrain")
SAMPLE_STEP = 40
LARGE = 350


class Status(msgspec.Struct, frozen=True):
    """One row; the numbers are those of the map, or empty without a map."""

    config: str
    status: str
    groups: str = ""
    tensors: str = ""
    frozen: str = ""
    missing: str = ""


def zoo_configs() -> Iterator[str]:
    """Return every config that is not a base, as ``package::path``, in alphabetical order."""
    for package in PACKAGES:
        root = Path(get_installed_path(package), ".mim", "configs")
        paths = (path.relative_to(root) for path in root.rglob("*.py"))
        yield from (f"{package}::{path.as_posix()}" for path in sorted(paths) if "_base_" not in path.parts)


def outcome_of(config: str) -> tuple[Status, GroupMap | None]:
    try:
        group_map = audit(config)
    except LrdecayError as error:
        return Status(config, error.status), None
    totals = group_map.model.totals
    numbers = (len(group_map.groups), totals.tensors, totals.frozen_tensors, totals.missing_tensors)
    return Status(config, "ok", *map(str, numbers)), group_map


STATUSES = Table(Path(__file__).with_name("zoo_status.csv"), Status.__struct_fields__, zoo_configs)


def statuses() -> list[Status]:
    """Return the golden table."""
    return [Status(*row) for row in STATUSES.rows()]


def sample(rows: list[Status]) -> list[Status]:
    """Return every 40th row of :func:`spread`, and the first of each status."""
    first = {row.status: row for row in reversed(rows)}
    chosen = {row.config for row in [*spread(rows, SAMPLE_STEP), *first.values()]}
    return [row for row in rows if row.config in chosen]


def spread(rows: list[Status], step: int) -> list[Status]:
    """Return as many rows as every ``step``-th, spread over models that build quickly, and one large model.

    Half of the models have more tensors than ``LARGE``. They have more of the same blocks, and take most of the time.
    """
    large = [row for row in rows if int(row.tensors or 0) > LARGE]
    small = [row for row in rows if row not in large]
    number = len(rows) // step
    chosen = {small[index * len(small) // number].config for index in range(number)} | {large[len(large) // 2].config}
    return [row for row in rows if row.config in chosen]
