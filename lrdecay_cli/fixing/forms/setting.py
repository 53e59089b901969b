"""Ways to write the text of an edit that sets an option or appends to a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lrdecay_cli.domain.fix import Keys
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.fixing.forms.edited_config import DELETE, EditedConfig, Form, assignment_target
from lrdecay_cli.fixing.merged import value_at
from lrdecay_cli.fixing.script import Script


def put(config: EditedConfig, keys: Keys, value: Any) -> Iterator[Form]:
    """Yield the ways to set an option. Each way is a set of text replacements in the config files."""
    option = config.origins.find(keys)
    if option is not None and not option.origin.unknown:
        yield from _in_place(config, option, value)
    for script in config.scripts:
        if not script.is_yaml:
            yield from _entered(config, script, keys, value)
    yield from _unshared(config, keys)
    yield from _stated(config, keys, value)


def append(config: EditedConfig) -> Iterator[Form]:
    """Yield the ways to append the edit's value to a list. Each way is a set of text replacements."""
    edit = config.edit
    for script in config.scripts:
        found = None if script.is_yaml else script.find(edit.keys)
        if found is not None and found.depth == len(edit.keys):
            display = script.display(found.value)
            if display is not None and display.kind == "list":
                yield {script.path: script.inserted(display, [(None, edit.value)])}, found.variables
    yield from put(config, edit.keys, value_at(config.expected, edit.keys))


def _in_place(config: EditedConfig, option: Option, value: Any) -> Iterator[Form]:
    """Yield text replacements for the option's value, or for the variable that the option uses."""
    origin = option.origin
    variables = frozenset(via.name for via in origin.via if via.kind == "variable")
    places = [origin.place, *(via.place for via in origin.via if via.kind in ("variable", "base-variable"))]
    for script in config.scripts:
        shown = config.files.get(script.path)
        for place in places:
            if place.file != shown or (place is origin.place and not _is_literal(origin.text, origin.constant)):
                continue
            if splice := script.replaced_at(script.offsets(place), value):
                yield {script.path: [splice]}, variables if place is origin.place else frozenset()


def _entered(config: EditedConfig, script: Script, keys: Keys, value: Any) -> Iterator[Form]:
    """Yield text replacements that add an entry to a dict literal, or replace an entry of a dict or list literal."""
    found = script.find(keys)
    if found is None:
        return
    keys, value = _whole(config, keys, value, found.depth)
    if found.depth >= len(keys):
        found = script.find(keys)
        assert found is not None
        for each in _with_delete(value):
            if splice := script.replaced(found.value, each):
                yield {script.path: [splice]}, found.variables
        return
    display = script.display(found.value)
    if display is None or (display.kind == "list"):
        return
    rest = keys[found.depth + 1 :]
    for each in _with_delete(value):
        splices = script.inserted(display, [(keys[found.depth], _nested(rest, each))])
        yield {script.path: splices}, found.variables


def _unshared(config: EditedConfig, keys: Keys) -> Iterator[Form]:
    """Yield text replacements for an option inside a dict that is the value of a variable.

    For example, in ``optimizer=common`` the changed dict replaces the name ``common``. Other options that use the
    variable ``common`` stay unchanged.
    """
    for length in range(len(keys) - 1, 1, -1):
        holder = config.origins.find(keys[:length])
        names = [via for via in holder.origin.via if via.kind == "variable"] if holder else []
        for script in config.scripts:
            for via in names:
                if via.place.file == config.files.get(script.path):
                    splice = script.replaced_at(script.offsets(via.place), value_at(config.expected, keys[:length]))
                    if splice:
                        yield {script.path: [splice]}, frozenset()


def _stated(config: EditedConfig, keys: Keys, value: Any) -> Iterator[Form]:
    """Yield text replacements that add an assignment at the end of the config: ``optim_wrapper = dict(...)``."""
    script = config.leaf
    if not script.is_python:
        return
    assignment = f"{assignment_target(keys)} = {script.value_text(value)}"
    if script.is_lazy:
        if len(keys) > 1 or not script.assigns(str(keys[0])):
            yield {script.path: [script.appended(assignment)]}, frozenset()
        return
    if script.assigns(str(keys[0])):
        if len(keys) > 1:
            yield {script.path: [script.appended(assignment)]}, frozenset()
        return
    keys, value = _whole(config, keys, value, 1)
    for each in _with_delete(value):
        nested = _nested(keys[1:], each)
        head = f"{keys[0]} = "
        text = head + script.value_text(nested, column=len(head))
        yield {script.path: [script.appended(text)]}, frozenset()


def _whole(config: EditedConfig, keys: Keys, value: Any, depth: int) -> tuple[Keys, Any]:
    """Return the path and value to write for an option.

    mmengine cannot override a single entry of a list in a base. If the option is inside such a list, return the path
    and value of the whole list.
    """
    cut = next((index for index in range(depth, len(keys)) if isinstance(keys[index], int)), None)
    if cut is None:
        return keys, value
    return keys[:cut], value_at(config.expected, keys[:cut])


def _with_delete(value: Any) -> Iterator[Any]:
    """Yield the value; for a dict, yield it also with ``_delete_=True``.

    Without ``_delete_``, mmengine keeps all keys that the same dict has in a base. With ``_delete_=True``, mmengine
    drops these keys.
    """
    yield value
    if isinstance(value, dict) and DELETE not in value:
        yield {DELETE: True, **value}


def _nested(keys: Keys, value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _is_literal(text: str, constant: bool) -> bool:
    return constant or text.startswith(("[", "(", "{", "dict("))
