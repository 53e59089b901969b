"""Records of the command ``suggest``: layer decay settings that fit a model, and their effect on the lrs."""

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
    """All parameters with the same layer id, lr scale and lr."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | None
    tensors: int
    parameters: int


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An option in the config's own ``paramwise_cfg``, such as ``norm_decay_mult`` or a custom key."""

    name: str
    """Name of the option, for example ``norm_decay_mult`` or ``custom_keys['roi_head']``."""
    value: Any
    backbone: int | None
    """For a custom key: how many tensors of the backbone have the key in their names. None for other options."""
    elsewhere: int | None
    """For a custom key: how many tensors outside the backbone have the key in their names. None for other options."""


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean lr of a module's trainable tensors, with the present config and with the suggestion.

    The mean is weighted by the number of elements: a tensor with a million elements counts a thousand times as much as
    a tensor with a thousand elements.
    """

    name: str
    """Path of the module, for example ``backbone``, ``backbone.stages.2`` or ``roi_head``."""
    tensors: int
    parameters: int
    lr_before: float
    """Mean lr of the module with the present config."""
    lr_after: float
    """Mean lr of the module with the suggestion."""
    factor: float | None
    """``lr_after`` divided by ``lr_before``; null if ``lr_before`` is 0."""
    lowest_factor: float | None
    """The lowest ratio (suggested lr / present lr) of a tensor in the module."""
    highest_factor: float | None
    """The highest ratio (suggested lr / present lr) of a tensor in the module."""


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A variant of the suggestion: without the config's custom keys that multiply the lr of the whole backbone.

    The suggestion itself keeps these custom keys.
    """

    without: tuple[str, ...]
    """The custom keys that this variant drops, for example ``custom_keys['backbone']``."""
    backbone: Effect
    """The effect of this variant on the backbone."""
    snippet: str
    """Python code with this variant, in the form of :attr:`Suggestion.snippet`."""


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suggested constructor and its options, before lrdecay builds the groups with them."""

    constructor: str
    options: Mapping[str, Any]
    imports: tuple[str, ...]
    """Modules that register the constructor, for ``custom_imports``."""
    reasons: tuple[str, ...]
    """The reasons for the suggested options. Each reason is one sentence."""
    faults: tuple[Finding, ...]
    """Findings about the config's own layer decay. Empty if it fits, or if the config has no layer decay."""
    fits: bool
    """True if the config has a layer decay that fits the model."""
    kept: tuple[Option, ...] = ()
    """Options in the config's own ``paramwise_cfg`` that the suggestion keeps, such as ``custom_keys['roi_head']``.

    The options of the layer decay are not included.
    """
    left_out: tuple[Option, ...] = ()
    """Options in the config's own ``paramwise_cfg`` that the suggestion drops."""
    refused: str = ""
    """The error that the config's own constructor raises; empty if the constructor succeeds."""
    covering: tuple[str, ...] = ()
    """Custom keys that multiply the lr of the whole backbone (``lr_mult``). The suggestion keeps these keys."""


class Suggestion(Displayed, frozen=True, forbid_unknown_fields=True):
    """The suggested layer decay settings, and their effect on the lrs of the model."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    fits: bool
    """True if the config's own layer decay fits the model, so that nothing needs to change."""
    backbone: str
    now: Constructor
    suggested: Constructor
    reasons: tuple[str, ...]
    faults: tuple[str, ...]
    """Findings about the config's own layer decay. Each text contains the rule's code, its name and the message."""
    refused: str
    """The error that the config's own constructor raises; empty if the config builds."""
    kept: tuple[Option, ...]
    """Options in the config's own ``paramwise_cfg`` that the suggestion keeps, such as ``custom_keys['roi_head']``.

    The options of the layer decay are not included.
    """
    left_out: tuple[Option, ...]
    """Options in the config's own ``paramwise_cfg`` that the suggestion drops."""
    snippet: str
    """Python code with the suggestion: a config that inherits from the user's config, or lines for the end of a lazy
    config.

    Empty if the config's own layer decay fits.
    """
    before: tuple[Layer, ...]
    """The layers with the present config; empty if this config does not build."""
    after: tuple[Layer, ...]
    """The layers with the suggestion; the same as ``before`` if the config's own layer decay fits."""
    effect: tuple[Effect, ...] = ()
    """The effect of the suggestion on each module, in the model's order.

    Empty if the config's own layer decay fits, or if the present config does not build.
    """
    backbone_effect: Effect | None = None
    """The effect of the suggestion on the whole backbone."""
    variant: Variant | None = None
    """The suggestion without custom keys that multiply the lr of the whole backbone. Null if there are no such keys."""

    def headline(self) -> str:
        """Return one line with the suggested layer decay. If the config's own layer decay fits, the line says so."""
        options = ", ".join(f"{key}={value!r}" for key, value in self.suggested.options.items())
        verdict = "the decay fits" if self.fits else f"{self.suggested.type}({options})"
        return f"{self.config.path}: {verdict}"
