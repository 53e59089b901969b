"""The decay settings that fit a model, as ``suggest --format json`` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lrdecay_cli.domain.display import Displayed
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import ConfigSource, Tool
from lrdecay_cli.domain.training import Constructor

SUGGESTION_SCHEMA_VERSION = 1


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters that share a layer id and an lr scale."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | None
    tensors: int
    parameters: int


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something in the config's own ``paramwise_cfg``, and what it is about."""

    name: str
    """``norm_decay_mult``, ``custom_keys['roi_head']``."""
    value: Any
    backbone: int | None
    """Tensors of the backbone whose names hold the custom key; None for what is no custom key."""
    elsewhere: int | None
    """The same for the rest of the model."""


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lr of a module as it is and with the suggestion, over its tensors that train.

    Means are weighted by parameters (elements): a tensor of a million counts a thousand times one of a thousand.
    """

    name: str
    """The module's path; ``backbone`` as a whole, or a child of it, of a list one entry."""
    tensors: int
    parameters: int
    lr_before: float
    """Mean lr as the config is."""
    lr_after: float
    """Mean lr with the suggestion."""
    factor: float | None
    """``lr_after`` over ``lr_before``; null where that is 0."""
    lowest_factor: float | None
    """The lowest factor of a single tensor."""
    highest_factor: float | None
    """The highest."""


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The suggestion without the custom keys of the backbone that it keeps."""

    without: tuple[str, ...]
    """``custom_keys['backbone']``."""
    backbone: Effect
    """What it makes of the backbone."""
    snippet: str
    """As :class:`Suggestion` has it."""


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A constructor and its options, before they have been tried."""

    constructor: str
    options: Mapping[str, Any]
    imports: tuple[str, ...]
    """Modules that register the constructor, for ``custom_imports``."""
    reasons: tuple[str, ...]
    """Why these options, a sentence each."""
    faults: tuple[Finding, ...]
    """What the rules find wrong with the decay that the config has; empty where it fits or has none."""
    fits: bool
    """Whether the config has a decay, and one that fits."""
    kept: tuple[Option, ...] = ()
    """What of the config's own ``paramwise_cfg`` stays, beside the decay itself."""
    left_out: tuple[Option, ...] = ()
    """What of it does not."""
    refused: str = ""
    """Why the config's own constructor makes no groups; empty if it does."""
    covering: tuple[str, ...] = ()
    """Custom keys among the kept that hold an ``lr_mult`` for the whole backbone."""


class Suggestion(Displayed, frozen=True, forbid_unknown_fields=True):
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
    """What the rules find wrong with the decay that the config has, as code, name and message."""
    refused: str
    """Why the config does not build as it is: its own constructor refuses; empty if it builds."""
    kept: tuple[Option, ...]
    """What of the config's own ``paramwise_cfg`` stays, beside the decay itself."""
    left_out: tuple[Option, ...]
    """What of it does not."""
    snippet: str
    """Python: a config that is based on this one, or for the lazy style lines to put at its end; empty if it fits."""
    before: tuple[Layer, ...]
    """Empty if the config does not build as it is."""
    after: tuple[Layer, ...]
    """As it was built with the snippet; as before if it fits."""
    effect: tuple[Effect, ...] = ()
    """By module, in the model's order; empty if it fits, and if the config does not build as it is."""
    backbone_effect: Effect | None = None
    """The same for the backbone as a whole."""
    variant: Variant | None = None
    """Null where no custom key of the backbone is kept."""

    def headline(self) -> str:
        """Whether the config's own decay fits, or what is suggested in its place."""
        options = ", ".join(f"{key}={value!r}" for key, value in self.suggested.options.items())
        verdict = "the decay fits" if self.fits else f"{self.suggested.type}({options})"
        return f"{self.config.path}: {verdict}"
