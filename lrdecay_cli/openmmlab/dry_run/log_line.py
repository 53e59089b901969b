"""Capture the first log line of mmengine that contains an lr. mmengine's own hook and LogProcessor write the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import LoggerHook, RuntimeInfoHook

from lrdecay_cli.domain.dry_run import LogLine
from lrdecay_cli.openmmlab.schedulers.running import NEVER

# Matches the position in the run and every lr. Losses, time and memory of this machine follow.
_LRS = re.compile(r".*?\]  (?:\S*lr: \S+ ?)*")


class FirstLog:
    """Store mmengine's first log line of the training.

    Source: mmengine 0.10.7, ``hooks/logger_hook.py`` (``after_train_iter``) and ``hooks/runtime_info_hook.py``
    (``before_train_iter``). RuntimeInfoHook reads the lr before other hooks change it in the same iteration.
    """

    def __init__(self) -> None:
        self.line: LogLine | None = None
        """The first log line; None before it is logged."""
        self._logger: LoggerHook | None = None
        self._info: RuntimeInfoHook | None = None
        self._at: int | None = None

    def register(self, hook: Any) -> None:
        """Store ``hook`` if it is a LoggerHook or RuntimeInfoHook. ``hook`` is an instance or a config dict."""
        settings = dict(hook) if isinstance(hook, Mapping) else {}
        given = settings.pop("type", type(hook))
        if given in (RuntimeInfoHook, "RuntimeInfoHook"):
            self._info = RuntimeInfoHook()
        elif given in (LoggerHook, "LoggerHook"):
            # The hook's other settings would make it write files.
            known = {key: settings[key] for key in ("interval", "ignore_last") if key in settings}
            self._logger = LoggerHook(**known) if isinstance(hook, Mapping) else hook

    def follow(self, batch: int, iteration: int, length: int) -> None:
        """Compute the iteration of the first log line. Called before the training starts.

        Args:
            batch: index of the next batch, as the loop passes it to the hooks.
            iteration: index of the next iteration since the start of the training.
            length: number of batches in the data loader.
        """
        if self._logger is None or self._info is None:
            return
        interval = self._logger.interval
        due = [(batch // interval + 1) * interval - 1] if interval > 0 else []
        if not self._logger.ignore_last or length <= interval:
            due.append(length - 1)
        # If epochs end before that iteration, nothing is logged.
        due = [at for at in due if at >= batch and (at < length or batch == iteration)]
        self._at = iteration + min(due) - batch if due else None

    def until(self, iteration: int) -> int:
        """Return the number of iterations until the first log line; after this line, a very large number."""
        return self._at - iteration if self._at is not None and self._at > iteration else NEVER

    def is_due(self, iteration: int) -> bool:
        """True if mmengine writes its first log line in this iteration."""
        return iteration == self._at

    def read(self, runner: Any, batch: int) -> None:
        """Read the lr for the log line. Called before the hooks of the iteration run."""
        assert self._info is not None
        self._info.before_train_iter(runner, batch)

    def write(self, runner: Any, batch: int) -> None:
        """Store the log line. Called after the hooks of the iteration have run."""
        tag, text = runner.log_processor.get_log_after_iter(runner, batch, "train")
        lrs = {key: float(value) for key, value in tag.items() if key.endswith("lr")}
        found = _LRS.match(text)
        self.line = LogLine(runner.iter, found[0].rstrip() if found else text, lrs)
