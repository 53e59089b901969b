"""What a group map says of the checkpoint that it was read from."""

from __future__ import annotations

from typing import Literal

import msgspec

Naming = Literal["recorded", "by position"]
"""Where the names of a checkpoint's parameters are from: ``recorded`` in its groups by the constructor, or those that a
config's groups hold at the same position, which is what a resumed run goes by."""


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint, beside its groups. The lr of a group is the saved one, where the schedule had got to."""

    epoch: int | None
    iteration: int | None
    written_by: str | None
    """``mmengine`` and its version, as the checkpoint says."""
    names: Naming
    config: str | None
    """The config, or exported map, that its groups were held against; null if none was given."""
    misfit: str | None
    """Why a run of that config would not resume from it as it is; null if it would, or if there is no config."""
    unclaimed: int
    """Tensors of the saved model that are in no group: buffers, and frozen parameters. 0 where a config tells them."""
