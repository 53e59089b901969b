"""What one command asks of the cache, and what it gives to it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from lrdecay_cli.cache import entries, front
from lrdecay_cli.cache.folder import cache_folder, refusal, switched_off
from lrdecay_cli.cache.keys import map_key
from lrdecay_cli.domain.group_map import GroupMap

if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

KIND = "map"
# On other devices a model may fail to build for reasons that no file shows.
_DEVICES = ("cpu", "meta")


class Caching:
    """The cache for one command.

    Args:
        cfg_options: with the device all, besides the config, that a map depends on and that the user said: overrides,
            GPUs, batch size, ``--auto-scale-lr``.
        device: where models are built.
        wanted: false for ``--no-cache``.
        verbose: tell on stderr what came from the cache, and why something did not.
    """

    def __init__(self, cfg_options: Sequence[str], device: str, *, wanted: bool = True, verbose: bool = False) -> None:
        self._cfg_options = cfg_options
        self._device = device
        self._wanted = wanted and not switched_off()
        self._verbose = verbose
        self._began = time.time_ns()
        self._evidence: Evidence | None = None
        self._keys: dict[str, str | None] = {}

    def kept(self, config: str) -> GroupMap | None:
        """The group map that is kept for a config, if it still holds."""
        key = self._key(config)
        if not key:
            return None
        found = entries.find(KIND, key)
        if isinstance(found, str):
            self._tell(f"{config}: {found}")
            return None
        kept = _decoded(found[0])
        if kept is not None:
            self._tell(f"{config}: from the cache; --no-cache builds it again")
            self._evidence = found[1]
        return kept

    def built(self, config: str, build: Callable[[], GroupMap]) -> GroupMap:
        """What ``build`` makes of a config, which is kept. Raises what ``build`` does."""
        # Before the build: it may change the working directory, sys.path or the environment.
        key = self._key(config)
        if not key:
            return build()
        from lrdecay_cli.cache.recording import record

        recording = record()
        first = not recording.answers
        built = build()
        recording.answers += 1
        evidence = recording.evidence()
        # A config that was loaded before in this process may have left something behind, which is of no concern to
        # this command, but must not be kept as the answer to this question alone.
        reason = evidence if isinstance(evidence, str) else None if first else "not the first config of this command"
        raw = msgspec.json.encode(built)
        if reason is None and _decoded(raw) != built:
            reason = "it holds a number that JSON cannot"
        if isinstance(evidence, str) or reason is not None:
            self._tell(f"not kept in the cache: {reason}")
        elif entries.keep(KIND, key, raw, evidence):
            self._evidence = evidence
        return built

    def begin(self) -> None:
        """Begin to record what answers depend on, for those that are built by processes forked from this one."""
        if self._wanted:
            from lrdecay_cli.cache.recording import record

            record()

    def _key(self, config: str) -> str | None:
        self._evidence = None
        if not self._wanted or self._device not in _DEVICES:
            return None
        if reason := refusal(cache_folder()):
            self._say(f"the cache {cache_folder()} is not used: {reason}")
            self._wanted = False
            return None
        # As it was asked at first: importing the stack adds folders to sys.path, and a config may do anything.
        if config not in self._keys:
            self._keys[config] = None
            # There may be no working directory.
            with suppress(OSError):
                self._keys[config] = map_key([config, *self._cfg_options, self._device])
        return self._keys[config]

    def keep_report(self, text: str) -> None:
        """Keep what ``inspect`` wrote to stdout about the last map, if nothing but that map and the call went in."""
        if self._evidence is None:
            return
        from lrdecay_cli.cache.gathering import with_modules

        wider = with_modules(self._evidence, before=self._began)
        if not isinstance(wider, str):
            front.keep_report(text, wider)

    def forget(self) -> None:
        """Keep no report: more went into it than the evidence of its maps tells of (a checkpoint)."""
        self._evidence = None

    def _tell(self, line: str) -> None:
        if self._verbose:
            self._say(line)

    def _say(self, line: str) -> None:
        print(f"lrdecay: {line}", file=sys.stderr)  # noqa: T201


def _decoded(raw: bytes) -> GroupMap | None:
    try:
        return msgspec.json.decode(raw, type=GroupMap)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
