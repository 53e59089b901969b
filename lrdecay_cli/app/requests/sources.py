"""Return the group maps of the sources on the command line.

lrdecay reads exported maps, builds configs, and loads checkpoints without running code in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.app.speed.caching import Caching
from lrdecay_cli.cache import dependencies_wanted
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import PLAIN_LAUNCH, Launch
from lrdecay_cli.files import looks_like_map, read_bytes, read_map, top_level_keys
from lrdecay_cli.files.config_path import is_checkpoint
from lrdecay_cli.files.map_file import TEXT_BASELINE
from lrdecay_cli.files.work_dir import dumped_config, is_work_dir, last_checkpoint
from lrdecay_cli.openmmlab.availability import check_config, check_stack
from lrdecay_cli.processes.build_many import build_many, isolation
from lrdecay_cli.processes.outcomes import BuildOutcome, BuildSpec

if TYPE_CHECKING:
    from lrdecay_cli.origins import ConfigOrigins

# Keys that only an mmengine config has: they distinguish a JSON config from a group map.
_CONFIG_KEYS = ("model", "optim_wrapper", "optimizer", "_base_", "custom_imports", "default_scope")

TIMEOUT = 120.0
"""Time limit for a config in a sandbox, in seconds. It applies to the wall time and to the CPU time of each process."""
MEMORY = 8 << 30
"""Memory limit for a config in a sandbox, in bytes."""


class Request(msgspec.Struct, frozen=True):
    """Options for building configs."""

    cfg_options: tuple[str, ...]
    device: str
    verbose: bool
    exact: bool
    """True with ``--exact``: build configs without lrdecay's shortcuts."""
    caching: Caching
    isolated: bool = False
    """True with ``--isolate``: load configs in sandboxed processes."""
    named_by: str | None = None
    """Value of ``--config``: the config or exported map with the parameter names of checkpoints."""
    launch: Launch = Launch()
    """How the training is started: GPUs, batch size, ``auto_scale_lr``."""

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
        """Return a request with the options of a command. ``exact`` and ``isolated`` also switch the cache off."""
        overrides = tuple(cfg_options or ())
        wanted = not (no_cache or exact or isolated)
        caching = Caching((*overrides, *launch.options), device, wanted=wanted, verbose=verbose)
        return cls(overrides, device, verbose, exact, caching, isolated, named_by, launch)

    def anew(self) -> Request:
        """Return the same request with the cache switched off.

        ``check --fix`` needs this request, because it changes config files after the cache has checked them.
        """
        caching = Caching((*self.cfg_options, *self.launch.options), self.device, wanted=False, verbose=self.verbose)
        return msgspec.structs.replace(self, caching=caching)

    def launched(self, launch: Launch, *, overrides: bool) -> Request:
        """Return the same request for another start of the training.

        Without ``overrides``, the request has no ``--cfg-options``.
        """
        options = self.cfg_options if overrides else ()
        caching = Caching((*options, *launch.options), self.device, wanted=self.caching.wanted, verbose=self.verbose)
        return msgspec.structs.replace(self, cfg_options=options, launch=launch, caching=caching)

    def build_spec(self) -> BuildSpec:
        """Return the options for building one config."""
        timeout, memory = (TIMEOUT, MEMORY) if self.isolated else (None, None)
        exact = self.exact or fast_start.is_plain()
        return BuildSpec(
            *(self.cfg_options, self.device, timeout, memory, self.verbose, exact),
            notes_dependencies=dependencies_wanted(),
            launch=self.launch,
        )

    def audited(self, config: str, change: Callable[[Any], None] | None = None) -> GroupMap:
        """Build a config in this process and return its group map.

        ``change`` edits the loaded config before the build.
        """
        from lrdecay_cli.processes.building import audited

        return audited(config, self.build_spec(), change)


def group_maps_of(sources: Sequence[str], request: Request) -> list[GroupMap]:
    """Return the group map of each source: a config, an exported map, ``-`` for a map on stdin, or a checkpoint.

    A checkpoint contains no parameter names. The names come from ``request.named_by``, a config or map. If
    ``request.named_by`` is None, they come from the only source that is not a checkpoint. All other options of
    ``request`` apply to configs.

    Raises:
        LrdecayError: a map cannot be read or built, or a required package is not installed.
    """
    checkpoints = [source for source in dict.fromkeys(sources) if is_checkpoint(source)]
    plain = [source for source in sources if source not in checkpoints]
    naming = _naming(plain, checkpoints, request)
    wanted = list(dict.fromkeys([*plain, *filter(None, [naming])]))
    maps = [source for source in wanted if is_map(source)]
    if request.cfg_options and set(maps) == set(wanted):
        raise LrdecayError("there is no config to override", where="--cfg-options", fix="give a config")
    if request.launch.options and set(maps) == set(wanted):
        problem = "the option needs a config, because lrdecay cannot build an exported map or a checkpoint again"
        raise LrdecayError(problem, where=request.launch.options[0], fix="give a config")
    if [*plain, request.named_by].count("-") > 1:
        raise LrdecayError("stdin can be read only once", where="-")
    if "-" in maps:
        request.caching.forget()
    if request.exact:
        fast_start.forgo()
    for checkpoint in checkpoints:
        check_stack(checkpoint, file_type="checkpoint", needed=("torch",))
        # Reject a hostile file at once, before a config is built.
        from lrdecay_cli.files.checkpoint_archive import read_pickle

        read_pickle(checkpoint)
    configs = [source for source in wanted if source not in maps]
    # Read stdin last: a config may need a retry, which restarts the command.
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
    """Return the group maps of the two sources of ``diff``, like :func:`group_maps_of`.

    If a source is a work directory, its last checkpoint is compared. A checkpoint contains no parameter names, so the
    names come from the other source. If the other source is also a checkpoint, or has another model, the names come
    from the config that the training wrote to its work directory.
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
    checkpoints_used = [last_checkpoint(source) if is_work_dir(source) else source for source in sources]
    alone = sum(map(is_checkpoint, checkpoints_used)) < len(checkpoints_used)
    if request.named_by is not None or alone:
        try:
            return group_maps_of(checkpoints_used, request)
        except LrdecayError as error:
            if error.where not in checkpoints_used or not is_checkpoint(error.where) or request.named_by is not None:
                raise
    found = []
    for source, each in zip(sources, checkpoints_used, strict=True):
        named_by = dumped_config(source) if is_work_dir(source) else None
        found += group_maps_of((each,), msgspec.structs.replace(request, named_by=named_by))
    return found


def origins_of(source: str, request: Request) -> ConfigOrigins | None:
    """Return where the files of a config set each option; None if the source is not a config."""
    from lrdecay_cli.origins import known_origins

    if is_work_dir(source) or is_checkpoint(source) or is_map(source):
        return None
    return known_origins(source, request.cfg_options)


def is_text_baseline(source: str) -> bool:
    """True if ``source`` is a baseline file in text format (``.txt``)."""
    return source.endswith(".txt") and Path(source).is_file() and read_bytes(source).startswith(TEXT_BASELINE)


def _naming(others: Sequence[str], checkpoints: Sequence[str], request: Request) -> str | None:
    """Return the config or map that gives the checkpoints their parameter names: the value of ``--config``.

    Without ``--config``, return the only source that is not a checkpoint. Return None if there is no such source, or
    more than one.
    """
    if request.named_by is None:
        return others[0] if checkpoints and len(set(others)) == 1 else None
    if not checkpoints:
        raise LrdecayError(
            "needs a checkpoint", where="--config", fix="leave out --config, or give a checkpoint (.pth)"
        )
    if is_checkpoint(request.named_by):
        raise LrdecayError(
            "lrdecay cannot take the parameter names of a checkpoint from another checkpoint",
            where="--config",
            fix="give a config or an exported map",
        )
    return request.named_by


def _maps_of(configs: Sequence[str], request: Request) -> dict[str, GroupMap]:
    """Return the group map of each config. Raises the LrdecayError of the first config that does not build."""
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
                # Load the stack once for all of them.
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
        raise LrdecayError(f"the build was stopped: {outcome.reason}", where=outcome.config, status=outcome.lost)
    raise LrdecayError(f"the build process died: {outcome.reason}", where=outcome.config)


def is_map(source: str) -> bool:
    """True if lrdecay reads ``source`` as a group map: stdin, a text baseline, or a .json file that is not a config."""
    if source == "-" or is_text_baseline(source):
        return True
    if not source.endswith(".json") or "::" in source:
        return False
    try:
        raw = read_bytes(source)
    except LrdecayError:
        # Reading it as a map reports what is wrong and where, without torch.
        return True
    keys = top_level_keys(raw)
    return keys is None or keys.isdisjoint(_CONFIG_KEYS) or "schema_version" in keys or looks_like_map(raw)
