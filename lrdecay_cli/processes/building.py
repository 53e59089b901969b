"""What a child does with a config, and what the parent loads beforehand so that every child has it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.scan import ScanRecord, record_of
from lrdecay_cli.files.config_path import config_path
from lrdecay_cli.files.json_text import not_finite
from lrdecay_cli.processes.sources import noting


class Built(msgspec.Struct, frozen=True):
    """What a child gives back."""

    record: ScanRecord
    group_map: GroupMap | None = None
    files: dict[str, str] = {}
    """Hash by path of every file that the map rests on, see :mod:`lrdecay_cli.processes.sources`."""


def build(config: str, cfg_options: tuple[str, ...], device: str, verbose: bool) -> Built:
    """Build one config, in a process that does nothing else. Never raises: what goes wrong is the record's status."""
    from lrdecay_cli.openmmlab.audit import audit

    files = noting()

    try:
        group_map = audit(config, cfg_options=cfg_options, device=device, verbose=verbose)
    except LrdecayError as error:
        return Built(ScanRecord(config=config, status=error.status, problem=_problem(error)), files=files())
    except Exception as error:
        said = " ".join(f"internal error: {type(error).__name__}: {error}".split())
        return Built(ScanRecord(config=config, status="error", problem=said))
    # Between processes all is JSON, which msgspec writes with null for them.
    for path, value in not_finite(msgspec.to_builtins(group_map)):
        said = f"{path} is {value}, which JSON cannot hold; mend the config that makes it so"
        return Built(ScanRecord(config=config, status="error", problem=said))
    return Built(record_of(config, group_map), group_map, files())


def preload(configs: Iterable[str]) -> None:
    """Import the stack, and the packages that the configs need, into this process: children get them for nothing."""
    from lrdecay_cli.openmmlab.lazy_imports.stack_imports import preload_stack

    preload_stack(_needed(configs))


def _problem(error: LrdecayError) -> str:
    text = f"{error.problem}; {error.remedy}" if error.remedy else error.problem
    return " ".join(text.split())


def _needed(configs: Iterable[str]) -> Iterator[str]:
    """mmdet, and mmpretrain where a config's path or text names it; only what is installed.

    To have a package registered changes no answer: its names are looked up under its own scope alone, and mmengine
    imports it for whoever names that scope.
    """
    if _installed("mmdet"):
        yield "mmdet"
    if _installed("mmpretrain") and any("mmpretrain" in config or "mmpretrain" in _text(config) for config in configs):
        yield "mmpretrain"


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _text(config: str) -> str:
    file = config_path(config)
    return file.read_text(encoding="utf-8", errors="replace") if file else ""
