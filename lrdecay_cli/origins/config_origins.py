"""Find the options of a merged config, the file and line that set each option, and the overridden values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.origins import Option, Origin, Place, Via, option_path
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.origins.command_line import merged_options
from lrdecay_cli.origins.nodes import MAPPINGS, SEQUENCES, Handing, Node, Slot, Unknowable, as_plain
from lrdecay_cli.origins.reading import ConfigReader
from lrdecay_cli.origins.sources import Span
from lrdecay_cli.text.python_source import finite_or_name

Keys = tuple[str | int, ...]
UNKNOWN = type("Unknown", (), {"__repr__": lambda _: "UNKNOWN"})()
"""Replaces a value in :meth:`ConfigOrigins.merged` that lrdecay cannot know without running the config."""


class ConfigOrigins:
    """The options of a config, with the file and line that set each option.

    Attributes:
        config: name of the config, as the user gave it.
        files: path of the config and of each base, in the order of reading. The keys are the names in ``Place.file``.
        raised: for each expression that raises an exception when the config is run: file and line, and the exception.
    """

    def __init__(
        self,
        config: str,
        root: Node,
        files: Mapping[str, Path],
        raised: Sequence[tuple[Place, str]] = (),
        named: Mapping[str, Place] | None = None,
    ) -> None:
        self.config = config
        self._named = named or {}
        self.raised = tuple(raised)
        self.files = files
        self._root = root

    def options(self, keys: Keys = ()) -> Iterator[Option]:
        """Yield the options below a path, or all options, in the order of the merged config."""
        slots = self._slots(keys)
        if slots is not None:
            yield from self._below(keys, slots)

    def find(self, keys: Keys) -> Option | None:
        """Return the option at a path; None if the path is not set. The option may be a whole dict or list."""
        slots = self._slots(keys)
        return _option(keys, slots) if slots else None

    def keys_of(self, option: str) -> Keys | None:
        """Return the keys of an option path such as ``a.b[0]``; None if the path is not set. A key may contain dots."""
        return _resolved(self._root, option, ())

    def at(self, option: str) -> Option | None:
        """Return the option at a path such as ``"model.layers[0].lr"``; None if the path is not set."""
        keys = self.keys_of(option)
        return None if keys is None else self.find(keys)

    def nearest(self, option: str) -> Option | None:
        """Return the option at a path such as ``"model.layers[0].lr"``.

        If the path is not set, return the nearest existing dict or list on the path: for this example,
        ``model.layers[0]``, ``model.layers`` or ``model``. None if ``model`` is not set.
        """
        while option:
            if found := self.at(option):
                return found
            option = re.match(r"(.*?)(\.?[^.\[\]]*|\[[^\]]*\])$", option)[1]  # type: ignore[index]
        return None

    def last_set(self, option: Option) -> Option:
        """Return the part of a dict or list that the config sets last, if it overrides parts of a base's dict or list.

        For example, a base sets ``a = dict(b=1, c=2)``, and the config sets ``a = dict(c=3)``: the last part of ``a``
        is ``a.c``. If the config or the command line overrides no part, the result is ``option`` itself.
        """
        order = {file: position for position, file in enumerate(self.files)}

        def age(of: Option) -> tuple[int, int]:
            place = of.origin.key or of.origin.place
            # The command line is not in the files.
            return order.get(place.file, -1), place.line

        parts = (part for part in self.options(option.keys) if part.origin.mechanism != "scope")
        last = min(parts, key=age, default=option)
        return last if age(last)[0] < age(option)[0] else option

    def bases_to(self, file: str) -> tuple[Place, ...]:
        """Return the files and lines of the ``_base_`` entries through which the config inherits from a base.

        The first entry names this base. Each further entry names the file that contains the entry before it.
        """
        places: list[Place] = []
        while file in self._named and len(places) <= len(self._named):
            places.append(self._named[file])
            file = places[-1].file
        return tuple(places)

    def paths(self) -> Iterator[str]:
        """Yield the paths of all options, and of all dicts and lists that contain options."""
        seen: dict[Keys, None] = {}
        for option in self.options():
            seen.update(dict.fromkeys(option.keys[: length + 1] for length in range(len(option.keys))))
        yield from map(option_path, seen)

    def dropped(self, option: str) -> tuple[Origin, Option] | None:
        """Return the former value of a removed option, and the option that removed it.

        The former value was in a dict or list, which another option then replaced. Return None if ``option`` was never
        set.
        """
        return self._dropped(self._root, option, (), [])

    def _dropped(self, node: Node, option: str, keys: Keys, slots: list[Slot]) -> tuple[Origin, Option] | None:
        if node.kind not in (*MAPPINGS, *SEQUENCES):
            return None
        entries = node.data.items() if node.kind in MAPPINGS else enumerate(node.data)
        for key, slot in entries:
            for rest in _rests(option, key, first=not keys):
                below = [*slots, slot]
                for old in reversed(slot.replaced):
                    found = _resolved(old.node, rest, (*keys, key)) if rest else None
                    walked = _walked(old.node, found[len(keys) + 1 :]) if found else None
                    if walked:
                        span = walked[-1].node.span or old.node.span or old.key
                        if span is not None:
                            return _origin(walked[-1], span, walked[-1].via), _option((*keys, key), below)
                if deeper := self._dropped(slot.node, rest, (*keys, key), below):
                    return deeper
        return None

    def merged(self) -> dict[str, Any]:
        """Return the merged config as plain data. :data:`UNKNOWN` replaces values that lrdecay cannot know."""
        whole = _plain(self._root)
        return whole if isinstance(whole, dict) else {}

    def children(self, keys: Keys) -> tuple[str | int, ...]:
        """Return the keys of the dict at a path, or the indexes of the list at a path."""
        slots = self._slots(keys)
        node = slots[-1].node if slots else self._root
        if slots is None:
            return ()
        return (
            tuple(node.data) if node.kind in MAPPINGS else tuple(range(len(node.data) if node.kind in SEQUENCES else 0))
        )

    def _slots(self, keys: Keys) -> list[Slot] | None:
        """Return the values along a path; None if the path does not exist.

        For example, the path ``a.b.c`` gives the values of ``a``, ``a.b`` and ``a.b.c``.
        """
        return _walked(self._root, keys)

    def _below(self, keys: Keys, slots: list[Slot]) -> Iterator[Option]:
        node = slots[-1].node if slots else self._root
        if node.kind in MAPPINGS and node.data:
            for key, slot in node.data.items():
                yield from self._below((*keys, key), [*slots, slot])
        elif node.kind in SEQUENCES and node.data:
            for position, slot in enumerate(node.data):
                yield from self._below((*keys, position), [*slots, slot])
        elif slots:
            yield _option(keys, slots)


def config_origins(config: str, options: Sequence[str] = (), texts: Mapping[Path, str] | None = None) -> ConfigOrigins:
    """Return the options of a config, with the file and line that set each option.

    Args:
        config: a path, or ``<package>::<path>``.
        options: ``--cfg-options`` as ``key=value``.
        texts: texts that replace the content of files, by resolved path. Their lines end with LF only.

    Raises:
        LrdecayError: mmengine could not load the config or one of its bases.
    """
    path = find_config(config)
    reader = ConfigReader(texts)
    try:
        root = reader.read(config, path)
        if options:
            root = merged_options(root, options)
    except RecursionError as error:
        raise LrdecayError("the config cannot be parsed: it is nested too deeply", where=config, final=True) from error
    files = {shown: source.path for shown, source in reader.sources.items()}
    raised = [(span.place(), error) for span, error in reader.raised]
    return ConfigOrigins(config, root, files, raised, {base: span.place() for base, span in reader.named.items()})


def _plain(node: Node) -> Any:
    if node.kind in MAPPINGS:
        return {key: _plain(slot.node) for key, slot in node.data.items() if slot.node.kind != "function"}
    if node.kind in SEQUENCES:
        items = [_plain(slot.node) for slot in node.data]
        return items if node.kind == "list" else tuple(items)
    if node.kind in ("scalar", "object"):
        return node.data
    return UNKNOWN


def _walked(node: Node, keys: Keys) -> list[Slot] | None:
    slots = []
    for key in keys:
        is_position = node.kind in SEQUENCES and isinstance(key, int) and 0 <= key < len(node.data)
        if not is_position and not (node.kind in MAPPINGS and key in node.data):
            return None
        slots.append(node.data[key])
        node = slots[-1].node
    return slots


def _resolved(node: Node, option: str, keys: Keys) -> Keys | None:
    """Return the keys of an option path such as ``a['b.c'].d``, ``a.0.b`` or ``a[0].b``; None if the path is not set.

    Keys may contain dots.
    """
    if not option:
        return keys
    entries: list[tuple[Any, Slot]] = []
    if node.kind in MAPPINGS:
        entries = list(node.data.items())
    elif node.kind in SEQUENCES:
        entries = list(enumerate(node.data))
    for key, slot in entries:
        for rest in _rests(option, key, first=not keys):
            found = _resolved(slot.node, rest, (*keys, key))
            if found is not None:
                return found
    return None


def _rests(option: str, key: str | int, *, first: bool) -> Iterator[str]:
    """Yield the rest of ``option`` after the key. For example, ``a.b.c`` with the key ``a.b`` gives ``.c``.

    The key may also be written as an index: ``['a.b']``. If ``option`` does not start with the key, yield nothing.
    """
    for spelling in (str(key) if first else f".{key}", f"[{key!r}]", f'["{key}"]'):
        rest = option.removeprefix(spelling)
        if rest != option and (not rest or rest[0] in ".["):
            yield rest


def _option(keys: Keys, slots: list[Slot]) -> Option:
    spans = [slot.node.span for slot in slots if slot.node.span]
    # The result of an operation has no place of its own: use the place of its container.
    span = spans[-1] if spans else next(slot.key for slot in slots if slot.key)
    via = tuple(handing for slot in slots for handing in slot.via)
    origin = _origin(slots[-1], span, via)
    overridden: list[Origin] = []
    for old in _replaced(slots, keys):
        if old.place != origin.place and (not overridden or overridden[-1].place != old.place):
            overridden.append(old)
    return Option(option=option_path(keys), keys=keys, origin=origin, overridden=tuple(overridden))


def _replaced(slots: list[Slot], keys: Keys) -> Iterator[Origin]:
    """Yield the earlier values at a path, the oldest first.

    For example, a new dict may replace the whole dict ``a``. All values that ``a.b`` had in the old dict are then
    earlier values of the path ``a.b``.
    """
    for depth, slot in enumerate(slots):
        for old in slot.replaced:
            below = keys[depth + 1 :]
            walked = [old]
            for key in below:
                step = _walked(walked[-1].node, (key,))
                if step is None:
                    break
                walked += step
            else:
                yield from _replaced(walked[1:], below)
            if len(walked) <= len(below) and walked[-1].node.kind in (*MAPPINGS, *SEQUENCES) and walked[-1].node.data:
                # The option was not set there; the rest of that dict is not a value of the option.
                continue
            span = next((each.node.span for each in reversed(walked) if each.node.span), old.key)
            if span is not None:
                yield _origin(walked[-1], span, tuple(handing for each in walked for handing in each.via))


def _origin(slot: Slot, span: Span, via: tuple[Handing, ...]) -> Origin:
    value, reason = None, ""
    if slot.node.kind == "unknown":
        reason = slot.node.data
    else:
        try:
            value = _json(as_plain(slot.node))
        except Unknowable as error:
            value, reason = (slot.node.data, "") if slot.node.kind == "object" else (None, str(error))
    return Origin(
        value=value,
        unknown=reason,
        place=span.place(),
        key=slot.key.place() if slot.key else None,
        text=span.text(),
        constant=slot.node.constant,
        mechanism=slot.mechanism,
        via=tuple(Via(each.kind, each.name, each.span.place()) for each in via),
    )


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_json(item) for item in value), key=repr)
    if isinstance(value, float):
        return finite_or_name(value)
    return value if value is None or isinstance(value, (bool, int, str)) else repr(value)
