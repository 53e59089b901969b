"""Ways to write an edit into the text of a config, such as a new value for an option.

Each way is called a form. There is one module for each kind of edit.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.fixing.forms.edited_config import EditedConfig, Form, Splices
from lrdecay_cli.fixing.forms.moving import move, rename
from lrdecay_cli.fixing.forms.removing import remove, restate
from lrdecay_cli.fixing.forms.setting import append, put

__all__ = ["EditedConfig", "Form", "Splices", "forms_of"]


def forms_of(config: EditedConfig) -> Iterator[Form]:
    """Yield the forms of the edit of ``config``. The form with the smallest change of the text comes first."""
    edit = config.edit
    match edit.action:
        case "set":
            yield from put(config, edit.keys, edit.value)
        case "append":
            yield from append(config)
        case "delete":
            yield from remove(config, edit.keys)
        case "rename":
            yield from rename(config)
            if len(edit.keys) > 1 and not config.leaf.is_lazy:
                yield from restate(config, edit.keys[:-1])
            yield from move(config)
        case "move":
            yield from move(config)
