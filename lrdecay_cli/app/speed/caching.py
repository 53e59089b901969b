"""Use the cache for one command: look up and store group maps and the command's report."""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from lrdecay_cli.cache import entries, front
from lrdecay_cli.cache.evidence import Checked
from lrdecay_cli.cache.folder import cache_folder, is_read_only, refusal, switched_off
from lrdecay_cli.cache.keys import map_key
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.scan import NOT_FOR_TRAINING
from lrdecay_cli.processes.outcomes import Failure

if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

KIND = "map"
# On other devices a build may fail for reasons that no file shows.
_DEVICES = ("cpu", "meta")
# This level shrinks a map to a tenth, in less time than writing the rest would take.
_COMPRESSION = 1


class Caching:
    """The cached group maps and the cached report of one command.

    Args:
        cfg_options: the options that a group map depends on: overrides, GPUs, batch size, ``--auto-scale-lr``.
        device: the device on which models are built.
        wanted: False with ``--no-cache``.
        verbose: print to stderr which group maps come from the cache, and why the others do not.
    """

    def __init__(self, cfg_options: Sequence[str], device: str, *, wanted: bool = True, verbose: bool = False) -> None:
        self._cfg_options = cfg_options
        self._device = device
        self.wanted = wanted and not switched_off()
        self._verbose = verbose
        self._began = time.time_ns()
        self._evidence: Evidence | None = None
        self._keys: dict[str, str | None] = {}
        self._checked = Checked()
        self._answering = False
        self._building = False

    def cached(self, config: str) -> GroupMap | Failure | None:
        """Return the cached map of a config, or its cached failure "not for training".

        Returns None if nothing valid is cached.
        """
        key = self._key(config)
        if not key:
            return None
        found = entries.find(KIND, key, self._checked)
        if isinstance(found, str):
            self._log(f"{config}: {found}")
            return None
        kept = _decoded(found[0])
        if kept is not None:
            self._log(f"{config}: from the cache; --no-cache builds the config again")
            self._evidence = found[1]
        return kept

    def built(self, config: str, build: Callable[[], GroupMap]) -> GroupMap:
        """Call ``build`` for a config. Return and cache its group map. Errors of ``build`` are raised again.

        The only cached error is "not for training", because it depends only on the config's text.
        """
        # Before the build: it may change the working directory, sys.path or the environment.
        key = self._key(config)
        if not key or is_read_only():
            return build()
        from lrdecay_cli.cache.recording import record

        recording = record()
        if not self._building:
            recording.begin_part()
        first = not recording.results
        built: GroupMap | Failure
        try:
            built = build()
        except LrdecayError as error:
            if error.status in NOT_FOR_TRAINING:
                self._keep(key, Failure(**error.fields()), first=first)
            raise
        self._keep(key, built, first=first)
        return built

    def _keep(self, key: str, built: GroupMap | Failure, *, first: bool) -> None:
        from lrdecay_cli.cache.recording import record

        recording = record()
        recording.results += 1
        evidence = recording.evidence()
        # A config that was loaded earlier may have changed this process. That is fine for this command, but the result
        # must not be cached as the result of this config alone.
        reason = (
            evidence
            if isinstance(evidence, str)
            else None
            if first
            else "an earlier config of this command may have affected the group map"
        )
        raw = zlib.compress(msgspec.json.encode(built), _COMPRESSION)
        if reason is None and _decoded(raw) != built:
            reason = "JSON cannot represent a number in the group map"
        if isinstance(evidence, str) or reason is not None:
            self._log(f"not cached: {reason}")
        elif entries.store(KIND, key, raw, evidence):
            self._evidence = evidence

    def begin(self) -> None:
        """Start recording the dependencies of maps that forked child processes build."""
        if self.wanted and not is_read_only():
            from lrdecay_cli.cache.recording import record

            record().begin_part()
            self._building = True

    def loaded(self) -> None:
        """Record the modules that are loaded now, so that forked child processes need not record them again."""
        if self.wanted and not is_read_only():
            from lrdecay_cli.cache.recording import record

            record().evidence()

    def begin_result(self) -> None:
        """Start recording the inputs of this command's report, other than group maps.

        Call it before any input is read.
        """
        self._answering = self.wanted and self._device in _DEVICES and front.is_cacheable() and not is_read_only()
        if self._answering:
            from lrdecay_cli.cache.recording import record

            record()

    def cache_result(self, text: str, code: int) -> None:
        """Cache the command's stdout, if all inputs since :meth:`begin_result` were recorded."""
        if not self._answering:
            return
        from lrdecay_cli.cache.gathering import merged
        from lrdecay_cli.cache.recording import record

        recording = record()
        recording.end_parts()
        seen = recording.evidence()
        parts = [seen, *(entries.evidence_of(KIND, key, self._checked) if key else None for key in self._keys.values())]
        known = [part for part in parts if part is not None and not isinstance(part, str)]
        if len(known) < len(parts):
            return
        whole = merged(known, before=self._began)
        if not isinstance(whole, str):
            front.cache_report(text, whole, code)

    def _key(self, config: str) -> str | None:
        self._evidence = None
        if not self.wanted or self._device not in _DEVICES:
            return None
        if reason := refusal(cache_folder()):
            self._warn(f"the cache {cache_folder()} is not used: {reason}")
            self.wanted = False
            return None
        # Compute the key once, first: importing the stack extends sys.path, and a config may change anything.
        if config not in self._keys:
            self._keys[config] = None
            # The working directory may not exist.
            with suppress(OSError):
                self._keys[config] = map_key([config, *self._cfg_options, self._device])
        return self._keys[config]

    def cache_report(self, text: str) -> None:
        """Cache the stdout of ``inspect``, if it depends only on the command line and on one cached group map."""
        if self._evidence is None or is_read_only():
            return
        from lrdecay_cli.cache.gathering import with_modules

        wider = with_modules(self._evidence, before=self._began)
        if not isinstance(wider, str):
            front.cache_report(text, wider)

    def forget(self) -> None:
        """Do not cache the report, because the cache cannot record one of its inputs: a checkpoint or stdin."""
        self._evidence = None
        self._answering = False

    def _log(self, line: str) -> None:
        if self._verbose:
            self._warn(line)

    def _warn(self, line: str) -> None:
        print(f"lrdecay: {line}", file=sys.stderr)  # noqa: T201


def _decoded(raw: bytes) -> GroupMap | Failure | None:
    try:
        plain = zlib.decompress(raw)
        if plain.startswith(b'{"problem"'):
            return msgspec.json.decode(plain, type=Failure)
        return msgspec.json.decode(plain, type=GroupMap)
    except (msgspec.DecodeError, UnicodeDecodeError, zlib.error):
        return None
