"""``--isolate``: a stranger's configs are loaded in confined child processes, and only JSON comes back."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.processes.building import Built
from lrdecay_cli.processes.children import Outcome, in_children
from lrdecay_cli.scanning.servers import BuildOptions, forked

TIMEOUT = 120.0
"""Seconds that a config may take, and that its processes may compute."""
MEMORY = 8 << 30
"""Bytes by which it may grow its process."""


def isolated_maps(configs: Sequence[str], cfg_options: tuple[str, ...], device: str) -> dict[str, GroupMap]:
    """The group map of each config, built in a confined child; what confines it is told on stderr.

    Raises:
        LrdecayError: the first config, in their order, that gave none; or this platform cannot fork.
    """
    found: dict[str, GroupMap] = {}
    with isolation(BuildOptions(cfg_options, device, TIMEOUT, MEMORY)) as options:
        outcomes = {outcome.name: outcome for outcome in forked(options, len(configs), configs)}
    for config in configs:
        found[config] = _map(outcomes[config])
    return found


@contextmanager
def isolation(options: BuildOptions) -> Iterator[BuildOptions]:
    """``options`` for children that are confined, with a scratch folder that is removed at the end.

    Tells on stderr what is enforced here. Raises LrdecayError where no child can be forked.
    """
    if not hasattr(os, "fork"):
        raise LrdecayError(
            f"{sys.platform} offers nothing to isolate a process with", where="--isolate", remedy="use Linux"
        )
    scratch = tempfile.mkdtemp(prefix="lrdecay-")
    try:
        confined = msgspec.structs.replace(options, scratch=scratch, verbose=False)
        _tell(confined)
        yield confined
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _tell(options: BuildOptions) -> None:
    """Say what confines a child here, as one that runs nothing of a stranger's finds out."""
    (outcome,) = in_children(["probe"], options.probe, jobs=1)
    enforced, missing = msgspec.json.decode(outcome.answer, type=tuple[list[str], list[str]])
    limits = f"{TIMEOUT:g} s, {MEMORY >> 30} GiB"
    print(f"lrdecay: isolated from: {'; '.join([*enforced, limits])}", file=sys.stderr)  # noqa: T201
    if missing:
        print(f"lrdecay: warning: not enforced here: {'; '.join(missing)}", file=sys.stderr)  # noqa: T201


def _map(outcome: Outcome) -> GroupMap:
    if outcome.lost:
        raise LrdecayError(f"it was stopped: {outcome.reason}", where=outcome.name, status=outcome.lost)
    try:
        built = msgspec.json.decode(outcome.answer, type=Built)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LrdecayError("its answer cannot be read", where=outcome.name, status="crashed") from error
    if built.group_map is None:
        raise LrdecayError(built.record.problem, where=outcome.name, status=built.record.status)
    return built.group_map
