"""What one command asks of the cache, and what it gives to it."""

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
from lrdecay_cli.cache.folder import cache_folder, refusal, switched_off
from lrdecay_cli.cache.keys import map_key
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.scan import NOT_FOR_TRAINING
from lrdecay_cli.processes.outcomes import Failure

if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

KIND = "map"
# On other devices a model may fail to build for reasons that no file shows.
_DEVICES = ("cpu", "meta")
# A map has a tenth of its size then, in less time than it takes to write the rest.
_COMPRESSION = 1


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
        self._checked = Checked()
        self._answering = False
        self._building = False

    def kept(self, config: str) -> GroupMap | Failure | None:
        """What is kept for a config, if it still holds: its map, or that it is not for training."""
        key = self._key(config)
        if not key:
            return None
        found = entries.find(KIND, key, self._checked)
        if isinstance(found, str):
            self._tell(f"{config}: {found}")
            return None
        kept = _decoded(found[0])
        if kept is not None:
            self._tell(f"{config}: from the cache; --no-cache builds it again")
            self._evidence = found[1]
        return kept

    def built(self, config: str, build: Callable[[], GroupMap]) -> GroupMap:
        """What ``build`` makes of a config, which is kept. Raises what ``build`` does.

        Of failures, that a config is not for training is kept, for that is what its text says.
        """
        # Before the build: it may change the working directory, sys.path or the environment.
        key = self._key(config)
        if not key:
            return build()
        from lrdecay_cli.cache.recording import record

        recording = record()
        if not self._building:
            recording.begin_part()
        first = not recording.answers
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
        recording.answers += 1
        evidence = recording.evidence()
        # A config that was loaded before in this process may have left something behind, which is of no concern to
        # this command, but must not be kept as the answer to this question alone.
        reason = evidence if isinstance(evidence, str) else None if first else "not the first config of this command"
        raw = zlib.compress(msgspec.json.encode(built), _COMPRESSION)
        if reason is None and _decoded(raw) != built:
            reason = "it holds a number that JSON cannot"
        if isinstance(evidence, str) or reason is not None:
            self._tell(f"not kept in the cache: {reason}")
        elif entries.keep(KIND, key, raw, evidence):
            self._evidence = evidence

    def begin(self) -> None:
        """Begin to record what answers depend on, for those that are built by processes forked from this one."""
        if self._wanted:
            from lrdecay_cli.cache.recording import record

            record().begin_part()
            self._building = True

    def loaded(self) -> None:
        """Gather what is loaded now: children that are forked from here on need not do it again."""
        if self._wanted:
            from lrdecay_cli.cache.recording import record

            record().evidence()

    def begin_answer(self) -> None:
        """Begin to record what the report of this command depends on, beside the maps; before anything is read."""
        self._answering = self._wanted and self._device in _DEVICES and front.was_asked()
        if self._answering:
            from lrdecay_cli.cache.recording import record

            record()

    def keep_answer(self, text: str, code: int) -> None:
        """Keep what the command wrote to stdout, if all that went in since :meth:`begin_answer` was seen."""
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
            front.keep_report(text, whole, code)

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
        """Keep no report: more goes into it than can be seen (a checkpoint, stdin)."""
        self._evidence = None
        self._answering = False

    def _tell(self, line: str) -> None:
        if self._verbose:
            self._say(line)

    def _say(self, line: str) -> None:
        print(f"lrdecay: {line}", file=sys.stderr)  # noqa: T201


def _decoded(raw: bytes) -> GroupMap | Failure | None:
    try:
        plain = zlib.decompress(raw)
        if plain.startswith(b'{"problem"'):
            return msgspec.json.decode(plain, type=Failure)
        return msgspec.json.decode(plain, type=GroupMap)
    except (msgspec.DecodeError, UnicodeDecodeError, zlib.error):
        return None
