"""A config with one edit to write into its files, and the type of a form: one way to write the edit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lrdecay_cli.domain.fix import Edit, Keys
from lrdecay_cli.fixing.script import Script, Splice
from lrdecay_cli.origins import ConfigOrigins

DELETE = "_delete_"
Splices = dict[Path, list[Splice]]
Form = tuple[Splices, frozenset[str]]
"""A way to write an edit: the text replacements, and the names of config variables whose values may change too."""


class EditedConfig(NamedTuple):
    """A config, and one edit of it."""

    scripts: Sequence[Script]
    """The files that may change. The first is the config itself."""
    files: Mapping[Path, str]
    """The name of each file in messages, by the real path of the file."""
    origins: ConfigOrigins
    edit: Edit
    expected: dict[str, Any]
    """The merged config after the edit."""

    @property
    def leaf(self) -> Script:
        """Return the file of the config, as opposed to the files of its bases."""
        return self.scripts[0]


def each_and_all(taken: Sequence[tuple[Path, Splice, frozenset[str]]]) -> Iterator[Form]:
    """Yield the same change first in each single file, then in all files together."""
    for path, splice, variables in taken:
        yield {path: [splice]}, variables
    if len(taken) > 1:
        yield {path: [splice] for path, splice, _ in taken}, frozenset().union(*(names for _, _, names in taken))


def assignment_target(keys: Keys) -> str:
    """Return an option as the target of an assignment: ``optim_wrapper['optimizer']['lr']``."""
    return str(keys[0]) + "".join(f"[{key!r}]" for key in keys[1:])
