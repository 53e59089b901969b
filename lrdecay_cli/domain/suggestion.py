"""Records of the command ``suggest`` and of its JSON: the decay settings that fit a model, and their effect."""

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
    """All parameters with the same layer id and the same lr scale."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | None
    tensors: int
    parameters: int


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the config's own ``paramwise_cfg``, such as ``norm_decay_mult`` or a custom key."""

    name: str
    """Name of the entry: ``norm_decay_mult``, ``custom_keys['roi_head']``."""
    value: Any
    backbone: int | None
    """Number of backbone tensors with the custom key in their names. None for other options."""
    elsewhere: int | None
    """Number of all other tensors with the custom key in their names. None for other options."""


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean lr of a module's trainable tensors, now and with the suggestion.

    Each tensor counts by its number of elements: a tensor with a million elements counts a thousand times as much as a
    tensor with a thousand elements.
    """

    name: str
    """The module's path: the whole ``backbone``, one of its children, or one entry of a list of modules."""
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
    """The same suggestion, but without the config's custom keys for the backbone, and its effect.

    The suggestion itself keeps these custom keys.
    """

    without: tuple[str, ...]
    """The custom keys that this variant drops: ``custom_keys['backbone']``."""
    backbone: Effect
    """The effect of this variant on the backbone."""
    snippet: str
    """Python code, as in :attr:`Suggestion.snippet`."""


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suggested constructor and its options, before lrdecay builds the groups with them."""

    constructor: str
    options: Mapping[str, Any]
    imports: tuple[str, ...]
    """Modules that register the constructor, for ``custom_imports``."""
    reasons: tuple[str, ...]
    """The reasons for these options, one sentence each."""
    faults: tuple[Finding, ...]
    """Findings about the config's own decay. Empty if the decay fits or if the config has no decay."""
    fits: bool
    """True if the config has a decay that fits the model."""
    kept: tuple[Option, ...] = ()
    """Entries of the config's own ``paramwise_cfg`` that the suggestion keeps, without the options of the decay."""
    left_out: tuple[Option, ...] = ()
    """Entries of the config's own ``paramwise_cfg`` that the suggestion drops."""
    refused: str = ""
    """Why the config's own constructor raises; empty if the constructor succeeds."""
    covering: tuple[str, ...] = ()
    """The kept custom keys with an ``lr_mult`` that match the whole backbone."""


class Suggestion(Displayed, frozen=True, forbid_unknown_fields=True):
    """The suggested decay settings and their effect on the model."""

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
    """Findings about the config's own decay, each as code, name and message."""
    refused: str
    """Why the config's own constructor raises; empty if the config builds."""
    kept: tuple[Option, ...]
    """Entries of the config's own ``paramwise_cfg`` that the suggestion keeps, without the options of the decay."""
    left_out: tuple[Option, ...]
    """Entries of the config's own ``paramwise_cfg`` that the suggestion drops."""
    snippet: str
    """Python code with the suggestion: a config that inherits from the user's config, or lines for the end of a lazy
    config.

    Empty if the decay fits.
    """
    before: tuple[Layer, ...]
    """The layers now; empty if the config does not build."""
    after: tuple[Layer, ...]
    """The layers as built with the snippet; unchanged if the decay fits."""
    effect: tuple[Effect, ...] = ()
    """The effect on each module, in the model's order. Empty if the decay fits or the config does not build."""
    backbone_effect: Effect | None = None
    """The effect on the whole backbone."""
    variant: Variant | None = None
    """The suggestion without the config's custom keys for the backbone. Null if it keeps no such key."""

    def headline(self) -> str:
        """Return one line with the suggested decay. If the config's own decay fits, the line says so."""
        options = ", ".join(f"{key}={value!r}" for key, value in self.suggested.options.items())
        verdict = "the decay fits" if self.fits else f"{self.suggested.type}({options})"
        return f"{self.config.path}: {verdict}"
