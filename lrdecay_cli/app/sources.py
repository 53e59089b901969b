"""Group maps from what the user names: an exported map is read, a config is built. Only the latter needs torch."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from lrdecay_cli.app.caching import Caching
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files import read_bytes, read_map

_NEEDED = ("torch", "mmengine")
# What tells an mmengine config in JSON from a group map.
_CONFIG_KEYS = ("model", "optim_wrapper", "optimizer", "_base_", "custom_imports", "default_scope")


def group_maps_of(
    sources: Sequence[str],
    *,
    cfg_options: Sequence[str] | None = None,
    device: str = "cpu",
    verbose: bool = False,
    caching: Caching | None = None,
) -> list[GroupMap]:
    """The group map behind each source: a config, an exported map, or ``-`` for a map on stdin.

    ``cfg_options`` apply to the configs among them, and ``caching`` may know their maps. Raises LrdecayError if a map
    cannot be had; for a config, also if torch or mmengine is not installed.
    """
    maps = {source for source in sources if is_map(source)}
    if cfg_options and maps.issuperset(sources):
        raise LrdecayError("a finished map has no options to set", where="--cfg-options", remedy="give a config")
    if list(sources).count("-") > 1:
        raise LrdecayError("stdin can be read only once", where="-")
    return [
        read_map(source) if source in maps else _map_of(source, cfg_options or (), device, verbose, caching)
        for source in sources
    ]


def _map_of(config: str, cfg_options: Sequence[str], device: str, verbose: bool, caching: Caching | None) -> GroupMap:
    if caching is None:
        return _build(config, cfg_options, device, verbose)
    question: list[object] = [config, *cfg_options]
    return caching.group_map(question, device, lambda: _build(config, cfg_options, device, verbose))


def _build(config: str, cfg_options: Sequence[str], device: str, verbose: bool) -> GroupMap:
    missing = [package for package in _NEEDED if importlib.util.find_spec(package) is None]
    if missing:
        raise LrdecayError(
            f"a config needs {' and '.join(missing)}, not installed here",
            where=config,
            remedy='pip install "lrdecay-cli[stack]" for a complete stack, "lrdecay-cli[mmdet]" beside your own',
        )
    with _stdout_kept_clean():
        from lrdecay_cli.openmmlab.audit import audit

        return audit(config, cfg_options=tuple(cfg_options), device=device, verbose=verbose)


def is_map(source: str) -> bool:
    """Whether ``source`` is to be read as a group map: stdin, or a .json file that is no mmengine config."""
    if source == "-":
        return True
    if not source.endswith(".json") or "::" in source:
        return False
    try:
        keys = msgspec.json.decode(read_bytes(source), type=dict[str, msgspec.Raw]).keys()
    except (LrdecayError, msgspec.DecodeError, RecursionError):
        # Missing or broken: reading it as a map tells what is wrong, and where, without torch.
        return True
    return "schema_version" in keys or keys.isdisjoint(_CONFIG_KEYS)


@contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """Send what a config's own code writes to stdout, C code and child processes included, to stderr."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)
