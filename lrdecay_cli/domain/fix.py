"""Edits of a merged config that fix a finding, and functions that create and apply them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any, Literal

import msgspec

from lrdecay_cli.text.python_source import as_python

Keys = tuple[str | int, ...]
Action = Literal["set", "delete", "rename", "move", "append"]
"""``set`` an option to a value, and create missing dicts around the option; ``delete`` an option; ``rename`` the last
key of an option; ``move`` an option to another dict; ``append`` a value to a list, which is created if missing.

A top-level dict can also be renamed to a key that another dict already has. The two dicts are then merged.
"""


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change of one option of the merged config."""

    action: Action
    option: str
    """Path of the option, for example ``optim_wrapper.paramwise_cfg.custom_keys['norm.weight'].lr_mult``."""
    keys: Keys
    """The same path as a tuple of dict keys and list indexes."""
    value: Any = msgspec.UNSET
    """The new value for ``set`` and ``append``, in JSON types."""
    to: Keys | msgspec.UnsetType = msgspec.UNSET
    """The new path of the option for ``rename`` and ``move``, in the same form as ``keys``."""

    def __hash__(self) -> int:
        # The value may be a dict.
        return hash((self.action, self.keys))

    def __str__(self) -> str:
        match self.action:
            case "set":
                return f"set {self.option}={as_python(self.value)}"
            case "append":
                return f"append {as_python(self.value)} to {self.option}"
            case "delete":
                return f"remove {self.option}"
        new = path_of(self.to) if self.to else ""
        return f"rename {self.option} to {new}" if self.action == "rename" else f"move {self.option} to {new}"


class Fix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Edits that together remove the cause of a finding."""

    edits: tuple[Edit, ...]
    automatic: bool = True
    """True if ``check --fix`` applies the fix. False if the user must decide, for example about another constructor."""

    def __str__(self) -> str:
        return "; ".join(map(str, self.edits))


class EditError(ValueError):
    """Raised if an edit does not fit the config, for example because the option does not exist or is not a list."""


def keys_of_path(path: str) -> Keys:
    """Split the path of an option, as :func:`path_of` writes it, into keys.

    Raises:
        ValueError: the text is not such a path.
    """
    keys: list[str | int] = []
    rest = path
    while rest:
        match = _STEP.match(rest)
        if not match or (keys == []) != (rest[0] not in ".["):
            raise ValueError(f"{path!r} is not the path of an option")
        word, literal = match.groups()
        keys.append(word if word is not None else ast.literal_eval(literal))
        rest = rest[match.end() :]
    return tuple(keys)


_STEP = re.compile(r"""\.?([^\W\d]\w*|\d+(?=[.\[]|$))|\[('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\d+)\]""")


def _edit(action: Action, option: str | Keys, **more: Any) -> Edit:
    keys = keys_of_path(option) if isinstance(option, str) else option
    return Edit(action=action, option=path_of(keys), keys=keys, **more)


def path_of(keys: Keys) -> str:
    """Return the path of an option from its keys, for example ``param_scheduler[0].eta_min``."""
    words = (f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]" for key in keys)
    return "".join(words).removeprefix(".")


def set_option(option: str | Keys, value: Any) -> Edit:
    """Return an edit that sets an option to ``value``. A dict or list is replaced as a whole."""
    return _edit("set", option, value=msgspec.to_builtins(value))


def append_to(option: str | Keys, value: Any) -> Edit:
    """Return an edit that appends ``value`` to a list."""
    return _edit("append", option, value=msgspec.to_builtins(value))


def delete_option(option: str | Keys) -> Edit:
    """Return an edit that removes an option."""
    return _edit("delete", option)


def rename_option(option: str | Keys, name: str) -> Edit:
    """Return an edit that renames the last key of an option."""
    keys = keys_of_path(option) if isinstance(option, str) else option
    return _edit("rename", keys, to=(*keys[:-1], name))


def move_option(option: str | Keys, to: str | Keys) -> Edit:
    """Return an edit that moves an option to the path ``to``. The last key may change."""
    return _edit("move", option, to=keys_of_path(to) if isinstance(to, str) else to)


def imports_with(present: Mapping[str, Any], modules: Iterable[str]) -> dict[str, Any]:
    """Return ``present``, the config's ``custom_imports``, with ``modules`` added to its imports.

    Source: mmengine 0.10.7, ``import_modules_from_strings``, which accepts one name or a list.
    """
    listed = present.get("imports") or []
    names = [listed] if isinstance(listed, str) else listed
    return {**present, "imports": list(dict.fromkeys([*names, *modules]))}


def fitting(config: Mapping[str, Any], edit: Edit) -> Edit:
    """Return the edit. If ``param_scheduler`` is a dict and not a list, remove the index from the edit's paths.

    For example, ``param_scheduler[0].end`` becomes ``param_scheduler.end``.
    """
    head = edit.keys[:2]
    if head == ("param_scheduler", 0) and isinstance(config.get("param_scheduler"), Mapping) and len(edit.keys) > 2:
        to = (head[0], *edit.to[2:]) if edit.to and edit.to[:2] == head else edit.to
        return _edit(edit.action, (head[0], *edit.keys[2:]), value=edit.value, to=to)
    return edit


def apply_edits(config: MutableMapping[str, Any], edits: Sequence[Edit]) -> None:
    """Apply edits to a config in place.

    Raises:
        EditError: an edit does not fit the config. The edits before it stay applied.
    """
    for edit in edits:
        _apply(config, fitting(config, edit))


def _apply(config: MutableMapping[str, Any], edit: Edit) -> None:
    match edit.action:
        case "set":
            _put(config, edit.keys, edit.value)
        case "append":
            container, last = _container_of(config, edit.keys, make=True)
            present = container.get(last) if isinstance(container, Mapping) else container[last]
            if present is not None and not isinstance(present, (list, tuple)):
                raise EditError(f"{edit.option} is not a list")
            container[last] = [*(present or ()), edit.value]
        case "delete":
            container, last = _existing(config, edit.keys)
            del container[last]
        case "rename" | "move":
            container, last = _existing(config, edit.keys)
            to = tuple(edit.to or ())
            if _exists(config, to):
                present, value = _value(config, to), container[last]
                if len(to) > 1 or not isinstance(present, MutableMapping) or not isinstance(value, Mapping):
                    raise EditError(f"{path_of(to)} is already set")
                # Merge as mmengine merges a base's and a config's dicts of the same name.
                del container[last]
                _merge(present, value)
                return
            if edit.action == "rename" and isinstance(container, MutableMapping):
                items = [(to[-1] if key == last else key, value) for key, value in container.items()]
                container.clear()
                for key, value in items:
                    container[key] = value
            else:
                value = container[last]
                del container[last]
                _put(config, to, value)


def _value(config: Any, keys: Keys) -> Any:
    container, last = _existing(config, keys)
    return container[last]


def _merge(present: MutableMapping[str, Any], further: Mapping[str, Any]) -> None:
    for key, value in further.items():
        if isinstance(value, Mapping) and isinstance(present.get(key), MutableMapping):
            _merge(present[key], value)
        else:
            present[key] = value


def _put(config: MutableMapping[str, Any], keys: Keys, value: Any) -> None:
    container, last = _container_of(config, keys, make=True)
    container[last] = value


def _existing(config: Any, keys: Keys) -> tuple[Any, Any]:
    container, last = _container_of(config, keys, make=False)
    found = last in container if isinstance(container, Mapping) else isinstance(last, int) and last < len(container)
    if not found:
        raise EditError(f"{path_of(keys)} is not set")
    return container, last


def _exists(config: Any, keys: Keys) -> bool:
    try:
        _existing(config, keys)
    except EditError:
        return False
    return True


def _container_of(config: Any, keys: Keys, *, make: bool) -> tuple[Any, Any]:
    """Return the dict or list that contains the last key of a path, and the last key.

    ``make`` creates missing dicts on the path.
    """
    node = config
    for index, key in enumerate(keys):
        path = path_of(keys[:index]) or "the config"
        if isinstance(node, MutableMapping):
            if index == len(keys) - 1:
                return node, key
            if node.get(key) is None:
                if not make:
                    raise EditError(f"{path_of(keys[: index + 1])} is not set")
                node[key] = {}
            node = node[key]
        elif isinstance(node, MutableSequence) and isinstance(key, int) and key < len(node):
            if index == len(keys) - 1:
                return node, key
            node = node[key]
        else:
            raise EditError(f"{path} has no key {key!r}")
    raise EditError("the path of the option is empty")
