"""Record which options of ``paramwise_cfg`` a constructor reads while it makes the groups."""

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
    """The paths that were read, in order of first use: ``custom_keys``, ``custom_keys.norm.decay_mult``."""

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}
        self._asked: dict[str, None] = {}
        self._paused = 0

    def watched(self, paramwise_cfg: Any) -> Any:
        """Return ``paramwise_cfg`` as an equal dict that records here which options are read."""
        return _watched(paramwise_cfg, "", self) if isinstance(paramwise_cfg, Mapping) else paramwise_cfg

    def note(self, path: str, *, there: bool) -> None:
        """Record that a path was read (``there``) or is missing."""
        if not self._paused:
            (self._paths if there else self._asked).setdefault(path)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return every path that was read."""
        return tuple(self._paths)

    @property
    def asked(self) -> tuple[str, ...]:
        """Return paths that were looked up and are missing: options that the constructor knows and the config lacks."""
        return tuple(self._asked)

    @contextmanager
    def unseen_validation(self) -> Iterator[None]:
        """Pause recording during mmengine's validation, which every constructor that inherits from mmengine's runs."""
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
    # A plain assignment would make an item of the ConfigDict.
    object.__setattr__(watched, "_watch", (prefix, reads))
    for key, value in dict.items(options) if isinstance(options, dict) else options.items():
        inner = _watched(value, f"{prefix}{key}.", reads) if isinstance(value, Mapping) else value
        dict.__setitem__(watched, key, inner)
    return watched


def _recording(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a dict method to first record the key in its arguments, or every key if the method has no key argument."""

    def recording(self: _WatchedOptions, *arguments: Any, **named: Any) -> Any:
        self._note(*(arguments[:1] or dict.keys(self)))
        return method(self, *arguments, **named)

    return recording


class _WatchedOptions(ConfigDict):  # type: ignore[misc]
    """Options that record each read of a value, through any method of a dict or a ConfigDict.

    Iterating over names or copying is not a read.
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
