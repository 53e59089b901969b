"""Group maps from what the user names: an exported map is read, a config built, a checkpoint loaded but never run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.app.speed.caching import Caching
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import PLAIN_LAUNCH, Launch
from lrdecay_cli.files import means_to_be_map, read_bytes, read_map, top_level_keys
from lrdecay_cli.files.config_path import is_checkpoint
from lrdecay_cli.files.map_file import TEXT_BASELINE
from lrdecay_cli.files.work_dir import dumped_config, is_work_dir, last_checkpoint
from lrdecay_cli.openmmlab.availability import check_config, check_stack
from lrdecay_cli.processes.build_many import build_many, isolation
from lrdecay_cli.processes.outcomes import BuildOutcome, BuildSpec

if TYPE_CHECKING:
    from lrdecay_cli.origins import ConfigOrigins

# What tells an mmengine config in JSON from a group map.
_CONFIG_KEYS = ("model", "optim_wrapper", "optimizer", "_base_", "custom_imports", "default_scope")

TIMEOUT = 120.0
"""Seconds that a confined config may take, and that its processes may compute."""
MEMORY = 8 << 30
"""Bytes by which a confined config may grow its process."""


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
    launch: Launch = Launch()
    """How the training is started: GPUs, batch, ``auto_scale_lr``."""

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
        launch: Launch = PLAIN_LAUNCH,
    ) -> Request:
        """The request that a command's options make; ``exact`` and ``isolated`` ask no cache either."""
        overrides = tuple(cfg_options or ())
        wanted = not (no_cache or exact or isolated)
        caching = Caching((*overrides, *launch.told), device, wanted=wanted, verbose=verbose)
        return cls(overrides, device, verbose, exact, caching, isolated, named_by, launch)

    def anew(self) -> Request:
        """The same without the cache, which has looked at files that were changed since."""
        caching = Caching((*self.cfg_options, *self.launch.told), self.device, wanted=False, verbose=self.verbose)
        return msgspec.structs.replace(self, caching=caching)

    def build_spec(self) -> BuildSpec:
        """How one config is built."""
        timeout, memory = (TIMEOUT, MEMORY) if self.isolated else (None, None)
        exact = self.exact or fast_start.is_plain()
        return BuildSpec(self.cfg_options, self.device, timeout, memory, self.verbose, exact, launch=self.launch)

    def audited(self, config: str, change: Callable[[Any], None] | None = None) -> GroupMap:
        """The map of a config, built in this process: ``change`` is done to the loaded config first."""
        from lrdecay_cli.processes.building import audited

        return audited(config, self.build_spec(), change)


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
        raise LrdecayError("only a config has options to set", where="--cfg-options", fix="give a config")
    if request.launch.told and set(maps) == set(wanted):
        problem = "only a config is built for a batch; a map and a checkpoint are what they are"
        raise LrdecayError(problem, where=request.launch.told[0], fix="give a config")
    if [*plain, request.named_by].count("-") > 1:
        raise LrdecayError("stdin can be read only once", where="-")
    if "-" in maps:
        request.caching.forget()
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


def compared_maps(before: str, after: str, request: Request) -> list[GroupMap]:
    """The maps of two sources as :func:`group_maps_of` has them; of a work directory, that of its last checkpoint.

    Such a checkpoint is held against the other source, as one that the user names. Where it does not fit that, or that
    is a checkpoint too, its parameters are named by the config that the training dumped.
    """
    sources = (before, after)
    texts = [source for source in sources if is_text_baseline(source)]
    if len(texts) == 1:
        from lrdecay_cli.checking.baselines import compared_baseline

        named = after if before in texts else before
        other = compared_maps(named, named, request)[0]
        baseline = compared_baseline(texts[0], other)
        return [baseline, other] if before in texts else [other, baseline]
    if not any(map(is_work_dir, sources)):
        return group_maps_of(sources, request)
    meant = [last_checkpoint(source) if is_work_dir(source) else source for source in sources]
    alone = sum(map(is_checkpoint, meant)) < len(meant)
    if request.named_by is not None or alone:
        try:
            return group_maps_of(meant, request)
        except LrdecayError as error:
            if error.where not in meant or not is_checkpoint(error.where) or request.named_by is not None:
                raise
    found = []
    for source, each in zip(sources, meant, strict=True):
        named_by = dumped_config(source) if is_work_dir(source) else None
        found += group_maps_of((each,), msgspec.structs.replace(request, named_by=named_by))
    return found


def origins_of(source: str, request: Request) -> ConfigOrigins | None:
    """Where the options of a source are set; None for what is no config."""
    from lrdecay_cli.origins import known_origins

    if is_work_dir(source) or is_checkpoint(source) or is_map(source):
        return None
    return known_origins(source, request.cfg_options)


def is_text_baseline(source: str) -> bool:
    """Whether ``source`` is a file that begins as a baseline in its text form."""
    return source.endswith(".txt") and Path(source).is_file() and read_bytes(source).startswith(TEXT_BASELINE)


def _naming(others: Sequence[str], checkpoints: Sequence[str], request: Request) -> str | None:
    """What the checkpoints are held against: ``--config``, else the one source that is none."""
    if request.named_by is None:
        return others[0] if checkpoints and len(set(others)) == 1 else None
    if not checkpoints:
        raise LrdecayError("there is no checkpoint to name", where="--config", fix="leave it out, or give a .pth")
    if is_checkpoint(request.named_by):
        raise LrdecayError("a checkpoint names no other", where="--config", fix="give a config or an exported map")
    return request.named_by


def _maps_of(configs: Sequence[str], request: Request) -> dict[str, GroupMap]:
    """The map of each config. LrdecayError of the first, in their order, that has none."""
    options, jobs = request.build_spec(), len(configs)
    with ExitStack() as stack:
        if request.isolated:
            for config in configs:
                check_config(config)
            confined = stack.enter_context(isolation(options)) if configs else options
            outcomes = build_many(configs, confined, jobs=jobs)
        else:

            def load(missing: Sequence[str]) -> None:
                for config in missing:
                    check_config(config)
                stack.enter_context(fast_start.shortcuts(verbose=request.verbose))
                # The stack, for all of them.
                from lrdecay_cli.openmmlab.lazy_imports.stack_imports import import_torch

                import_torch()
                import lrdecay_cli.openmmlab.audit  # noqa: F401

            lenient = msgspec.structs.replace(options, finite=False)
            alone = partial(_built_here, request=request)
            outcomes = build_many(configs, lenient, jobs=jobs, cache=request.caching, load=load, here=alone)
        found = {outcome.config: outcome for outcome in outcomes}
        return {config: _map(found[config], request) for config in configs}


def _built_here(config: str, request: Request) -> GroupMap:
    def build() -> GroupMap:
        check_config(config)
        with fast_start.shortcuts(verbose=request.verbose):
            return request.audited(config)

    return request.caching.built(config, build)


def _map(outcome: BuildOutcome, request: Request) -> GroupMap:
    if outcome.group_map is not None:
        return outcome.group_map
    if outcome.failure is not None:
        raise outcome.failure.error()
    if request.isolated:
        raise LrdecayError(f"it was stopped: {outcome.reason}", where=outcome.config, status=outcome.lost)
    raise LrdecayError(f"the process that built it was lost: {outcome.reason}", where=outcome.config)


def is_map(source: str) -> bool:
    """Whether ``source`` is to be read as a group map: stdin, or a .json file that is no mmengine config."""
    if source == "-" or is_text_baseline(source):
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
