"""The optimizer of a running program, whose groups were read without a config."""

from __future__ import annotations

import msgspec


class LiveOptimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of an optimizer beside its groups."""

    schedulers: tuple[str, ...]
    """Class of each lr scheduler that the program named, with its module."""
    scales_applied: bool
    """Whether the lr of groups with an ``lr_scale`` is multiplied by it: timm's schedulers do that."""
