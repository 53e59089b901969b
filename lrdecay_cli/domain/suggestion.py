"""Suggested decay settings for a model, as ``suggest --format json`` writes them."""

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
    """An entry of the config's own ``paramwise_cfg``, with the tensors that it matches."""

    name: str
    """``norm_decay_mult``, ``custom_keys['roi_head']``."""
    value: Any
    backbone: int | None
    """Tensors of the backbone whose names contain the custom key; None for other options."""
    elsewhere: int | None
    """The same for the rest of the model."""


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lr of a module now and with the suggestion, over its trainable tensors.

    Means are weighted by elements: a tensor with a million elements counts a thousand times one with a thousand.
    """

    name: str
    """The module's path: ``backbone`` as a whole, or one of its children; for a list, one entry."""
    tensors: int
    parameters: int
    lr_before: float
    """Mean lr now."""
    lr_after: float
    """Mean lr with the suggestion."""
    factor: float | None
    """``lr_after`` divided by ``lr_before``; null if ``lr_before`` is 0."""
    lowest_factor: float | None
    """The lowest factor of any tensor."""
    highest_factor: float | None
    """The highest factor of any tensor."""


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The suggestion without the custom keys of the backbone that it keeps."""

    without: tuple[str, ...]
    """``custom_keys['backbone']``."""
    backbone: Effect
    """The effect of this variant on the backbone."""
    snippet: str
    """Python code, as in :attr:`Suggestion.snippet`."""


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A constructor and its options, not yet built."""

    constructor: str
    options: Mapping[str, Any]
    imports: tuple[str, ...]
    """Modules that register the constructor, for ``custom_imports``."""
    reasons: tuple[str, ...]
    """The reasons for these options, one sentence each."""
    faults: tuple[Finding, ...]
    """The findings about the config's own decay; empty if the decay fits or the config has no decay."""
    fits: bool
    """True if the config has a decay that fits."""
    kept: tuple[Option, ...] = ()
    """Entries of the config's own ``paramwise_cfg`` that are kept, besides the decay itself."""
    left_out: tuple[Option, ...] = ()
    """Entries that are dropped."""
    refused: str = ""
    """Why the config's own constructor raises; empty if the constructor succeeds."""
    covering: tuple[str, ...] = ()
    """Kept custom keys with an ``lr_mult`` for the whole backbone."""


class Suggestion(Displayed, frozen=True, forbid_unknown_fields=True):
    """The suggested settings and their effect on the model."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    fits: bool
    """True if the config's own decay fits the model, so that nothing needs to change."""
    backbone: str
    now: Constructor
    suggested: Constructor
    reasons: tuple[str, ...]
    faults: tuple[str, ...]
    """The findings about the config's own decay, as code, name and message."""
    refused: str
    """Why the config's own constructor raises; empty if the config builds."""
    kept: tuple[Option, ...]
    """Entries of the config's own ``paramwise_cfg`` that are kept, besides the decay itself."""
    left_out: tuple[Option, ...]
    """Entries that are dropped."""
    snippet: str
    """Python: a config that inherits from this one, or lines for the end of a lazy config; empty if the decay fits."""
    before: tuple[Layer, ...]
    """The layers now; empty if the config does not build."""
    after: tuple[Layer, ...]
    """The layers as built with the snippet; unchanged if the decay fits."""
    effect: tuple[Effect, ...] = ()
    """By module, in the model's order; empty if the decay fits or the config does not build."""
    backbone_effect: Effect | None = None
    """The same for the whole backbone."""
    variant: Variant | None = None
    """Null if no custom key of the backbone is kept."""

    def headline(self) -> str:
        """Return the suggested decay in words, or that the config's own decay fits."""
        options = ", ".join(f"{key}={value!r}" for key, value in self.suggested.options.items())
        verdict = "the decay fits" if self.fits else f"{self.suggested.type}({options})"
        return f"{self.config.path}: {verdict}"
