"""The decay settings that fit a model, as ``suggest --format json`` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lrdecay_cli.domain.group_map import ConfigSource, Constructor, Tool

SUGGESTION_SCHEMA_VERSION = 1


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters that share a layer id and an lr scale."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | None
    tensors: int
    parameters: int


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A constructor and its options, before they have been tried."""

    constructor: str
    options: Mapping[str, Any]
    imports: tuple[str, ...]
    """Modules that register the constructor, for ``custom_imports``."""
    reasons: tuple[str, ...]
    """Why these options, a sentence each."""
    faults: tuple[str, ...]
    """What is wrong with the decay that the config has; empty where it fits or has none."""
    fits: bool
    """Whether the config has a decay, and one that fits."""


class Suggestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings, and what they make of the model."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    fits: bool
    """Whether the config's own decay fits the model, so that there is nothing to change."""
    backbone: str
    now: Constructor
    suggested: Constructor
    reasons: tuple[str, ...]
    faults: tuple[str, ...]
    snippet: str
    """Python: a config that is based on this one, or for the lazy style lines to put at its end; empty if it fits."""
    before: tuple[Layer, ...]
    after: tuple[Layer, ...]
    """As it was built with the snippet; as before if it fits."""
