"""The error of the decay system."""

from __future__ import annotations

from lrdecay_cli.domain.errors import LrdecayError


class DecayError(LrdecayError):
    """No layer id, lr scale or group can be given: a setting is impossible, or a parameter name fits no rule."""


class ServedByOurs(DecayError):  # noqa: N818
    """A constructor does not serve the backbone, and lrdecay's own constructor does."""
