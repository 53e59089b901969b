"""Records of the file and line that set each option of a config, and of the earlier values of the option."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.text.python_source import as_python

ORIGINS_SCHEMA_VERSION = 1

COMMAND_LINE = "--cfg-options"
"""``Place.file`` of an option on the command line. ``Place.line`` is then the option's number, counted from 1."""

Mechanism = Literal["assignment", "edit", "data", "cfg-options", "scope"]
"""How an option gets its value:

- ``assignment``: a name is assigned, or the option is an entry of a dict or list that is written in the config;
- ``edit``: an existing dict or list is changed (``a.b = 1``, ``a['b'] = 1``, ``.update(...)``);
- ``data``: the option is an entry of a JSON or YAML file;
- ``cfg-options``: the command line sets the option;
- ``scope``: mmengine adds the option ``_scope_`` to settings from the config of another package.
"""

Passage = Literal["variable", "base-variable", "import", "template", "environment"]
"""How a config passes a value on:

- ``variable``: by a variable of the config;
- ``base-variable``: by ``_base_.name``;
- ``import``: by ``read_base``;
- ``template``: by ``{{ fileDirname }}`` or a similar template;
- ``environment``: by ``{{$NAME:default}}``.
"""


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A range of characters in a file. Lines and columns count from 1.

    ``end_column`` is the column after the last character.
    """

    file: str
    """The file as the config names it: ``configs/_base_/convnext.py``, ``mmdet::_base_/default_runtime.py``."""
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return self.file if self.file == COMMAND_LINE else f"{self.file}:{self.line}"

    def exact(self) -> str:
        """Return ``file:line:column``, the format that editors open."""
        return self.file if self.file == COMMAND_LINE else f"{self.file}:{self.line}:{self.column}"


class Via(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name, such as a variable, that passes a value on to an option."""

    kind: Passage
    name: str
    place: Place
    """The file and line at which the config uses the name."""


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A value of an option, and the file and line that set it."""

    value: Any = None
    """The value in JSON types; null also if the value is unknown."""
    unknown: str = ""
    """Why lrdecay does not know the value without running the config. Empty if lrdecay knows the value."""
    place: Place
    """The file and line of the expression that gives the value."""
    key: Place | None = None
    """The file and line of the option's key, keyword or assignment target. Null for an entry of a list."""
    text: str
    """The source text of the expression, without line breaks."""
    constant: bool
    """True if the value is a literal at ``place``, so that an edit of the literal changes the value."""
    mechanism: Mechanism
    via: tuple[Via, ...] = ()
    """Names, such as variables, through which the option gets its value, in the order of evaluation."""

    def shown(self) -> str:
        """Return the value as Python source. If the value is unknown, return the source of its expression."""
        return self.text if self.unknown else as_python(self.value)


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An option of the merged config, with the file and line that set it, and the earlier values that it overrides.

    A dict or list is an option only if it is empty. Otherwise each of its entries is an option.
    """

    option: str
    """Path of the option, as in findings: ``optim_wrapper.paramwise_cfg.custom_keys['norm.weight'].lr_mult``."""
    keys: tuple[str | int, ...]
    origin: Origin
    overridden: tuple[Origin, ...] = ()
    """Earlier values that the current value overrides, in the order in which they were set."""


class Origins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of the command ``where``: for each option of a config, the file and line that set it."""

    schema_version: int
    tool: Tool
    config: str
    options: tuple[Option, ...]
    """All options, in the order of the merged config."""


def option_path(keys: Iterable[str | int]) -> str:
    """Return keys as a path: ``model.backbone.depth``.

    A key that is not an identifier is in brackets: ``custom_keys['norm.weight']``.
    """
    path = ""
    for key in keys:
        if isinstance(key, str) and not key.isidentifier():
            path += f"[{key!r}]"
        else:
            path += f".{key}" if path else f"{key}"
    return path
