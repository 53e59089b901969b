"""Build the text replacements that remove an option from the config files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lrdecay_cli.domain.fix import Keys
from lrdecay_cli.fixing.forms.edited_config import DELETE, EditedConfig, Form, assignment_target, each_and_all
from lrdecay_cli.fixing.forms.setting import put
from lrdecay_cli.fixing.merged import value_at
from lrdecay_cli.fixing.script import Splice


def remove(config: EditedConfig, keys: Keys) -> Iterator[Form]:
    """Yield the ways to remove an option. Each way is a set of text replacements in the config files."""
    taken: list[tuple[Path, Splice, frozenset[str]]] = []
    for script in config.scripts:
        found = None if script.is_yaml else script.find(keys)
        if found is None or found.depth < len(keys):
            continue
        if found.display is not None and found.entry is not None:
            splice: Splice | None = script.deleted(found.display, found.entry)
        else:
            splice = script.without_statement(found.statement) if found.statement else None
        if splice:
            taken.append((script.path, splice, found.variables))
    yield from each_and_all(taken)
    option = config.origins.find(keys)
    for script in config.scripts:
        # a.b = 1
        if option is not None and option.origin.key and option.origin.key.file == config.files.get(script.path):
            statement = script.statement_at(script.offsets(option.origin.key)[0]) if script.is_python else None
            splice = script.without_statement(statement) if statement else None
            if splice:
                yield {script.path: [splice]}, frozenset()
    cut = next((index for index, key in enumerate(keys) if isinstance(key, int)), None)
    if config.leaf.is_lazy:
        yield {config.leaf.path: [config.leaf.appended(f"del {assignment_target(keys)}")]}, frozenset()
    elif cut is not None:
        yield from put(config, keys[:cut], value_at(config.expected, keys[:cut]))
    elif len(keys) > 1:
        yield from restate(config, keys[:-1])
    if config.leaf.is_python and config.leaf.assigns(str(keys[0])) and len(keys) > 1:
        yield {config.leaf.path: [config.leaf.appended(f"del {assignment_target(keys)}")]}, frozenset()


def restate(config: EditedConfig, keys: Keys) -> Iterator[Form]:
    """Yield the ways to remove one entry of a dict that a base sets.

    A config cannot remove a single entry of a base's dict. So the text replacements write the dict into the config
    again, with ``_delete_=True`` and without this entry. ``keys`` is the path of the dict.
    """
    script = config.leaf
    left = value_at(config.expected, keys)
    if not isinstance(left, dict):
        return
    found = script.find(keys)
    if found is None or found.depth < len(keys):
        for splices, variables in put(config, keys, left):
            if script.path in splices and len(splices) == 1:
                yield splices, variables
        return
    display = script.display(found.value)
    if display is None or display.kind == "list":
        return
    here = {entry.key for entry in display.entries}
    dropped = config.edit.keys[-1]
    further = {key: value for key, value in left.items() if key not in here}
    if display.entry(dropped) is not None:
        if splice := script.replaced(found.value, {DELETE: True, **left}):
            yield {script.path: [splice]}, found.variables
        return
    several = script.inserted_first(display, DELETE, True)
    if further:
        several += script.inserted(display, [*further.items()])
    yield {script.path: several}, found.variables
