"""Record which options of ``paramwise_cfg`` a constructor reads while it builds the groups."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine import optim
from mmengine.config import ConfigDict

from lrdecay_cli.constructors import DEFAULT
from lrdecay_cli.openmmlab.patching import patched

_DEFAULT: Any = getattr(optim, DEFAULT.name)


class OptionReads:
    """Recorder of the options that a constructor reads, such as ``custom_keys`` and ``custom_keys.norm.decay_mult``.

    Options are in the order in which the constructor first reads them.
    """

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}
        self._asked: dict[str, None] = {}
        self._paused = 0

    def watched(self, paramwise_cfg: Any) -> Any:
        """Return a copy of ``paramwise_cfg`` that reports each read of an option to this recorder."""
        return _watched(paramwise_cfg, "", self) if isinstance(paramwise_cfg, Mapping) else paramwise_cfg

    def note(self, path: str, *, there: bool) -> None:
        """Record that the constructor looked up an option. ``there`` is True if the config sets the option."""
        if not self._paused:
            (self._paths if there else self._asked).setdefault(path)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths of all options that the constructor read."""
        return tuple(self._paths)

    @property
    def asked(self) -> tuple[str, ...]:
        """Return the paths of options that the constructor looked up, but that the config does not set."""
        return tuple(self._asked)

    @contextmanager
    def unseen_validation(self) -> Iterator[None]:
        """Inside this block, do not record reads by mmengine's validation of the options.

        mmengine validates the options of every constructor that inherits from its default constructor.
        """
        validate = _DEFAULT._validate_cfg

        def unseen(constructor: Any) -> None:
            self._paused += 1
            try:
                validate(constructor)
            finally:
                self._paused -= 1

        with patched(_DEFAULT, _validate_cfg=unseen):
            yield


def _watched(options: Mapping[str, Any], prefix: str, reads: OptionReads) -> _WatchedOptions:
    watched = _WatchedOptions()
    # A plain assignment would create an entry in the ConfigDict.
    object.__setattr__(watched, "_watch", (prefix, reads))
    for key, value in dict.items(options) if isinstance(options, dict) else options.items():
        inner = _watched(value, f"{prefix}{key}.", reads) if isinstance(value, Mapping) else value
        dict.__setitem__(watched, key, inner)
    return watched


def _recording(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a version of a dict method that first records the key, then calls the method.

    The key is the first argument, as in ``get(key)``. If a method such as ``items`` has no key argument, every key is
    recorded.
    """

    def recording(self: _WatchedOptions, *arguments: Any, **named: Any) -> Any:
        self._note(*(arguments[:1] or dict.keys(self)))
        return method(self, *arguments, **named)

    return recording


class _WatchedOptions(ConfigDict):  # type: ignore[misc]
    """A ConfigDict that records each read of a value, through any method of dict or ConfigDict.

    Iterating over keys or copying does not count as a read.
    """

    _watch: tuple[str, OptionReads] = ("", OptionReads())

    def _note(self, *keys: Any) -> None:
        prefix, reads = object.__getattribute__(self, "_watch")
        for key in keys:
            if dict.__contains__(self, key):
                reads.note(f"{prefix}{key}", there=True)
            # Python itself looks up __deepcopy__ and similar names.
            elif isinstance(key, str) and not key.startswith("_"):
                reads.note(f"{prefix}{key}", there=False)

    __getitem__ = _recording(ConfigDict.__getitem__)
    __getattr__ = _recording(ConfigDict.__getattr__)
    __contains__ = _recording(ConfigDict.__contains__)
    get = _recording(ConfigDict.get)
    pop = _recording(ConfigDict.pop)
    setdefault = _recording(dict.setdefault)
    items = _recording(ConfigDict.items)
    values = _recording(ConfigDict.values)

    def __copy__(self) -> Any:
        return _watched(self, *object.__getattribute__(self, "_watch"))

    copy = __copy__

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        items: Iterable[tuple[Any, Any]] = dict.items(self)
        copied = {key: copy.deepcopy(value, memo) for key, value in items}
        return _watched(copied, *object.__getattribute__(self, "_watch"))

    def to_dict(self) -> dict[str, Any]:
        items: Iterable[tuple[Any, Any]] = dict.items(self)
        return {key: value.to_dict() if isinstance(value, _WatchedOptions) else value for key, value in items}

    def __repr__(self) -> str:
        return repr(self.to_dict())

    __str__ = __repr__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (self.to_dict(),)
