"""Change the text of a config so that an option is renamed or moved to another dict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from lrdecay_cli.fixing.forms.edited_config import EditedConfig, Form, Splices, each_and_all
from lrdecay_cli.fixing.forms.removing import remove
from lrdecay_cli.fixing.forms.setting import put
from lrdecay_cli.fixing.merged import Refused, has_unknown, value_at
from lrdecay_cli.fixing.script import Splice


def rename(config: EditedConfig) -> Iterator[Form]:
    """Yield text replacements that rename an option where it is set. Only the last key of its path changes."""
    edit = config.edit
    name = str((edit.to or ("",))[-1])
    taken: list[tuple[Path, Splice, frozenset[str]]] = []
    for script in config.scripts:
        if script.is_yaml:
            option = config.origins.find(edit.keys)
            if option and option.origin.key and option.origin.key.file == config.files.get(script.path):
                place = script.offsets(option.origin.key)
                yield (
                    {script.path: [Splice(*place, name if name.isidentifier() else json.dumps(name))]},
                    frozenset(),
                )
            continue
        found = script.find(edit.keys)
        if found is None or found.depth < len(edit.keys):
            continue
        if found.display is not None and found.entry is not None:
            splice = script.renamed(found.display, found.entry, name)
        else:
            splice = script.renamed_statement(found.statement, name) if found.statement else None
        if splice:
            taken.append((script.path, splice, found.variables))
    yield from each_and_all(taken)


def move(config: EditedConfig) -> Iterator[Form]:
    """Yield text replacements that remove an option and set its value at another path."""
    edit = config.edit
    to = tuple(edit.to or ())
    value = value_at(config.origins.merged(), edit.keys)
    if has_unknown(value):
        raise Refused(f"the value of {edit.option} is unknown without running the config")
    for taken, names in list(remove(config, edit.keys)):
        for added, more in list(put(config, to, value)):
            both: Splices = {path: [*taken.get(path, []), *added.get(path, [])] for path in {*taken, *added}}
            if not any(_overlap(splices) for splices in both.values()):
                yield both, names | more


def _overlap(splices: Sequence[Splice]) -> bool:
    ordered = sorted(splices)
    return any(second.start < first.end for first, second in pairwise(ordered))
