"""Record the lr of each group at the start of training, after warm-up, at its maximum and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lrdecay_cli.domain.dry_run import LrAt
from lrdecay_cli.openmmlab.dry_run.recording import Recorder
from lrdecay_cli.openmmlab.dry_run.representatives import Representatives
from lrdecay_cli.openmmlab.dry_run.watching import lrs_of
from lrdecay_cli.openmmlab.schedulers.running import NEVER

Trace = list[tuple[int, list[float | None]]]
"""Pairs of an iteration and the lr of every group. The lrs did not change in an iteration that is not in the list."""


class Moments:
    """Store the first, highest and last lr of every group, and its lr after warm-up.

    Args:
        trace: list that gets the lrs of every visited iteration; None for no trace.
        logged: list that gets the lrs that mmengine logs. RuntimeInfoHook reads these lrs before most other hooks run.
        recorder: also records every visited iteration.
    """

    def __init__(
        self, trace: Trace | None = None, logged: Trace | None = None, recorder: Recorder | None = None
    ) -> None:
        self._trace = trace
        self._logged = logged
        self.recorder = recorder
        self.warm_up_end: int | None = None
        """The first iteration after warm-up; None without a warm-up."""
        self._groups: list[dict[str, Any]] = []
        self._kind_of: list[int] = []
        self._first: list[LrAt] = []
        self._after_warm_up: list[LrAt] = []
        self._peaks: list[tuple[float | None, int]] = []
        self._last: tuple[int, list[float | None]] = (0, [])

    def follow(self, representatives: Representatives, groups: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Start recording. For groups with equal options, only one representative is read."""
        kept = sorted({*representatives.positions})
        places = {index: place for place, index in enumerate(kept)}
        self._kind_of = [places[index] for index in representatives.positions]
        self._groups = [groups[index][1] for index in kept]

    @property
    def followed(self) -> int:
        """Return the number of recorded groups. Groups that a hook adds during training are not recorded."""
        return len(self._kind_of)

    def note(self, iteration: int) -> None:
        """Record the lrs of this iteration. Iterations must come in ascending order."""
        lrs = lrs_of(self._groups)
        if not self._first:
            self._first = [LrAt(iteration, lr) for lr in lrs]
            self._peaks = [(lr, iteration) for lr in lrs]
        if iteration == self.warm_up_end:
            self._after_warm_up = [LrAt(iteration, lr) for lr in lrs]
        if lrs != self._last[1]:
            for index, (lr, (peak, _)) in enumerate(zip(lrs, self._peaks, strict=True)):
                if lr is not None and peak is not None and lr > peak:
                    self._peaks[index] = (lr, iteration)
        self._last = (iteration, lrs)
        if self.recorder is not None:
            self.recorder.note(iteration)
        if self._trace is not None:
            self._trace.append((iteration, [lrs[index] for index in self._kind_of]))
        if self._logged is not None and (not self._logged or self._logged[-1][0] < iteration):
            self._logged.append((iteration, [lrs[index] for index in self._kind_of]))

    def note_logged(self, iteration: int) -> None:
        """Record the lrs that mmengine logs for this iteration. Called before the hooks of the iteration run."""
        if self._logged is not None:
            lrs = lrs_of(self._groups)
            self._logged.append((iteration, [lrs[index] for index in self._kind_of]))

    def end(self, iterations: int) -> None:
        """Store the most recent lrs as the lrs of the last iteration. No lr has changed in between."""
        self._last = (iterations - 1, self._last[1])

    def until(self, iteration: int) -> int:
        """Return the number of iterations until the warm-up ends; after the warm-up, a very large number."""
        if self.warm_up_end is None or iteration >= self.warm_up_end:
            return NEVER
        return self.warm_up_end - iteration

    def of_group(self, group: int) -> tuple[LrAt, LrAt | None, LrAt, LrAt]:
        """Return the lr of a group at the start, after warm-up, at its maximum and at the end.

        ``group`` is the position of the group.
        """
        index = self._kind_of[group]
        peak, peak_iteration = self._peaks[index]
        return (
            self._first[index],
            self._after_warm_up[index] if self._after_warm_up else None,
            LrAt(peak_iteration, peak),
            LrAt(self._last[0], self._last[1][index]),
        )
