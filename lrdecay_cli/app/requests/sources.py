"""Group maps from what the user names: an exported map is read, a config built, a checkpoint loaded but never run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.app.speed.caching import Caching
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files import find_config, means_to_be_map, read_bytes, read_map, top_level_keys
from lrdecay_cli.files.config_path import is_checkpoint
from lrdecay_cli.processes.clean_process import stdout_kept_clean

_NEEDED = ("torch", "mmengine")
# What tells an mmengine config in JSON from a group map.
_CONFIG_KEYS = ("model", "optim_wrapper", "optimizer", "_base_", "custom_imports", "default_scope")


class Request(msgspec.Struct, frozen=True):
    """How configs are to be built."""

    cfg_options: tuple[str, ...]
    device: str
    verbose: bool
    exact: bool
    """Whether to take no shortcut."""
    caching: Caching
    isolated: bool = False
    """Whether configs are loaded in confined processes."""
    named_by: str | None = None
    """The config, or exported map, whose groups the parameters of checkpoints are named by (``--config``)."""

    @classmethod
    def of(
        cls,
        cfg_options: Sequence[str] | None,
        device: str,
        *,
        verbose: bool,
        exact: bool,
        no_cache: bool,
        isolated: bool = False,
        named_by: str | None = None,
    ) -> Request:
        """The request that a command's options make; ``exact`` and ``isolated`` ask no cache either."""
        caching = Caching(wanted=not (no_cache or exact or isolated), verbose=verbose)
        return cls(tuple(cfg_options or ()), device, verbose, exact, caching, isolated, named_by)

    def kept(self, config: str) -> GroupMap | None:
        """The map of a config that the cache keeps, if it still holds."""
        return self.caching.kept(_question(config, self), self.device)


def group_maps_of(sources: Sequence[str], request: Request) -> list[GroupMap]:
    """The group map behind each source: a config, an exported map, ``-`` for a map on stdin, or a checkpoint.

    A checkpoint is held against the config of ``request``; without one, against the one other source. ``request`` is
    otherwise about the configs. Raises LrdecayError if a map cannot be had; for a config or a checkpoint, also if what
    it needs is not installed.
    """
    checkpoints = [source for source in dict.fromkeys(sources) if is_checkpoint(source)]
    plain = [source for source in sources if source not in checkpoints]
    naming = _naming(plain, checkpoints, request)
    wanted = list(dict.fromkeys([*plain, *filter(None, [naming])]))
    maps = [source for source in wanted if is_map(source)]
    if request.cfg_options and set(maps) == set(wanted):
        raise LrdecayError("only a config has options to set", where="--cfg-options", remedy="give a config")
    if [*plain, request.named_by].count("-") > 1:
        raise LrdecayError("stdin can be read only once", where="-")
    if request.exact:
        fast_start.forgo()
    for checkpoint in checkpoints:
        check_stack(checkpoint, what="checkpoint", needed=("torch",))
        # What is hostile is told at once, not after a config has been built.
        from lrdecay_cli.files.checkpoint_archive import read_pickle

        read_pickle(checkpoint)
    configs = [source for source in wanted if source not in maps]
    # stdin comes last: a config may need a second attempt, which starts the command over.
    found = {source: read_map(source) for source in maps if source != "-"}
    found.update(_maps_of(configs, request))
    if "-" in maps:
        found["-"] = read_map("-")
    if checkpoints:
        from lrdecay_cli.openmmlab.checkpoints.group_map import checkpoint_map

        request.caching.forget()
        found.update((source, checkpoint_map(source, found[naming] if naming else None)) for source in checkpoints)
    return [found[source] for source in sources]


def _naming(others: Sequence[str], checkpoints: Sequence[str], request: Request) -> str | None:
    """What the checkpoints are held against: ``--config``, else the one source that is none."""
    if request.named_by is None:
        return others[0] if checkpoints and len(set(others)) == 1 else None
    if not checkpoints:
        raise LrdecayError("there is no checkpoint to name", where="--config", remedy="leave it out, or give a .pth")
    if is_checkpoint(request.named_by):
        raise LrdecayError("a checkpoint names no other", where="--config", remedy="give a config or an exported map")
    return request.named_by


def _maps_of(configs: Sequence[str], request: Request) -> dict[str, GroupMap]:
    if request.isolated and configs:
        from lrdecay_cli.app.requests.isolated import isolated_maps

        for config in configs:
            check_config(config)
        return isolated_maps(configs, request.cfg_options, request.device)
    if len(configs) < 2:
        return {config: _map_of(config, request) for config in configs}
    found = {config: request.kept(config) for config in configs}
    kept = {config: group_map for config, group_map in found.items() if group_map is not None}
    missing = [config for config in configs if config not in kept]
    for config in missing:
        check_config(config)
    if missing:
        from lrdecay_cli.app.requests.apart import built_apart

        request.caching.begin()
        with fast_start.shortcuts(verbose=request.verbose):
            # The stack, for all of them.
            from lrdecay_cli.openmmlab.lazy_imports.stack_imports import import_torch

            import_torch()
            import lrdecay_cli.openmmlab.audit  # noqa: F401

            kept |= built_apart(
                missing,
                lambda config: request.caching.built(
                    _question(config, request), request.device, lambda: audited(config, request)
                ),
                verbose=request.verbose,
            )
    return kept


def _map_of(config: str, request: Request) -> GroupMap:
    return request.caching.group_map(_question(config, request), request.device, lambda: _build(config, request))


def _question(config: str, request: Request) -> list[object]:
    return [config, *request.cfg_options]


def _build(config: str, request: Request) -> GroupMap:
    check_config(config)
    with fast_start.shortcuts(verbose=request.verbose):
        return audited(config, request)


def audited(config: str, request: Request, change: Callable[[Any], None] | None = None) -> GroupMap:
    """The map of a config, built here and now: ``change`` is done to the loaded config first."""
    with stdout_kept_clean():
        from lrdecay_cli.openmmlab.lazy_imports.stack_imports import import_torch

        import_torch()
        from lrdecay_cli.openmmlab.audit import audit

        return audit(
            config,
            cfg_options=request.cfg_options,
            device=request.device,
            verbose=request.verbose,
            exact=fast_start.is_plain(),
            change=change,
        )


def check_config(config: str) -> None:
    """Raise LrdecayError unless the config is there, and what building it needs. Nothing is imported."""
    find_config(config)
    check_stack(config)


def check_stack(config: str, *, what: str = "config", needed: Sequence[str] = _NEEDED) -> None:
    """Raise LrdecayError, about ``config``, unless torch and mmengine can be had. Nothing is imported."""
    try:
        Path.cwd()
    except OSError as error:
        # Intel's library, which torch loads, would end the process without a word.
        raise LrdecayError(
            "the working directory is gone", where=config, remedy="change to one that is there"
        ) from error
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise LrdecayError(
            f"a {what} needs {' and '.join(missing)}, not installed here",
            where=config,
            remedy='pip install "lrdecay-cli[stack]" for a complete stack, "lrdecay-cli[mmdet]" beside your own',
        )


def is_map(source: str) -> bool:
    """Whether ``source`` is to be read as a group map: stdin, or a .json file that is no mmengine config."""
    if source == "-":
        return True
    if not source.endswith(".json") or "::" in source:
        return False
    try:
        raw = read_bytes(source)
    except LrdecayError:
        # Reading it as a map tells what is wrong, and where, without torch.
        return True
    keys = top_level_keys(raw)
    return keys is None or keys.isdisjoint(_CONFIG_KEYS) or "schema_version" in keys or means_to_be_map(raw)
