"""Records of the places that set a config's options, and of overridden values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.text.python_source import as_python

ORIGINS_SCHEMA_VERSION = 1

COMMAND_LINE = "--cfg-options"
"""The file name of a :class:`Place` on the command line; its line is the number of the option, from 1."""

Mechanism = Literal["assignment", "edit", "data", "cfg-options", "scope"]
"""How an option gets its value: ``assignment`` of a name or an entry of a literal, ``edit`` of an existing dict or
list (``a.b = 1``, ``a['b'] = 1``, ``.update(...)``), an entry of a JSON or YAML file, ``--cfg-options``, or the
``_scope_`` that mmengine adds to settings from the config of another package.
"""

Passage = Literal["variable", "base-variable", "import", "template", "environment"]
"""What passes a value on: a name, ``_base_.name``, ``read_base``, ``{{ fileDirname }}``, ``{{$NAME:default}}``."""


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A range of a file. Lines and columns count from 1. ``end_column`` is behind the last character."""

    file: str
    """As the config names the file: ``configs/_base_/convnext.py``, ``mmdet::_base_/default_runtime.py``."""
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return self.file if self.file == COMMAND_LINE else f"{self.file}:{self.line}"

    def exact(self) -> str:
        """Return ``file:line:column``, as editors open it."""
        return self.file if self.file == COMMAND_LINE else f"{self.file}:{self.line}:{self.column}"


class Via(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name, such as a variable, through which an option gets its value."""

    kind: Passage
    name: str
    place: Place
    """Where the name is used."""


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A value and the place that sets it."""

    value: Any = None
    """The value in JSON types; null also if the value is unknown."""
    unknown: str = ""
    """Why only running the config can give the value; empty if the value is known."""
    place: Place
    """The place of the expression that makes the value."""
    key: Place | None = None
    """The place of the option's key, keyword or target; null for an entry of a list."""
    text: str
    """The source of the expression, without line breaks."""
    constant: bool
    """True if a literal at ``place`` is the value, so that editing it changes the value."""
    mechanism: Mechanism
    via: tuple[Via, ...] = ()
    """Names between the option and the value, or in the expression, in the order of evaluation."""

    def shown(self) -> str:
        """Return the value as Python; for an unknown value the expression."""
        return self.text if self.unknown else as_python(self.value)


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An option of the merged config. Its value is a plain value, or an empty dict or list."""

    option: str
    """Path of the option, as in findings: ``optim_wrapper.paramwise_cfg.custom_keys['norm.weight'].lr_mult``."""
    keys: tuple[str | int, ...]
    origin: Origin
    overridden: tuple[Origin, ...] = ()
    """Earlier values that this value overrides, in the order in which they were set."""


class Origins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The places that set options of a config."""

    schema_version: int
    tool: Tool
    config: str
    options: tuple[Option, ...]
    """In the order of the merged config."""


def option_path(keys: Iterable[str | int]) -> str:
    """Return keys as a path: ``model.backbone.depth``. Other keys are in brackets: ``custom_keys['norm.weight']``."""
    path = ""
    for key in keys:
        if isinstance(key, str) and not key.isidentifier():
            path += f"[{key!r}]"
        else:
            path += f".{key}" if path else f"{key}"
    return path
