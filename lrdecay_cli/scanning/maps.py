"""``--maps DIR``: the group map of each config as a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files import to_json, write_text
from lrdecay_cli.files.map_path import map_path


def check_maps(folder: Path, configs: Iterable[str]) -> None:
    """Raise LrdecayError if two configs would have one and the same map."""
    taken: dict[Path, str] = {}
    for config in configs:
        other = taken.setdefault(map_path(folder, config), config)
        if other != config:
            raise LrdecayError(
                f"the maps of {other} and {config} would be one file",
                where="--maps",
                remedy="scan them apart, or from a directory above both",
            )


def write_map(folder: Path, config: str, group_map: GroupMap) -> None:
    """Write one map, whole or not at all. LrdecayError if that fails, or a number is not one that JSON can hold."""
    write_text(map_path(folder, config), to_json(group_map), make_folders=True)
