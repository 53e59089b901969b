"""Building several configs in one command so that none sees what another left behind in the process."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence

from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap


class BuildTraceback(Exception):  # noqa: N818
    """Where an error was raised in a child process, as text: tracebacks do not leave their process."""


def built_apart(configs: Sequence[str], build: Callable[[str], GroupMap], *, verbose: bool) -> dict[str, GroupMap]:
    """The group map of each config, each built by ``build`` in a forked child of this process, side by side.

    Modules that two projects call alike, registrations and changed defaults stay in the child. What this process has
    imported is there in every child, so that the stack is loaded once. Without fork, all are built in this process.

    Raises:
        LrdecayError: what ``build`` raised for the first config, in their order, that failed; or its child was lost.
    """
    if len(configs) < 2 or not hasattr(os, "fork"):
        return {config: build(config) for config in configs}
    from lrdecay_cli.processes.children import in_children

    def work(config: str) -> bytes:
        import traceback

        try:
            return pickle.dumps(build(config))
        except LrdecayError as error:
            final = fast_start.is_final(error)
            told = (error.problem, error.where, error.remedy, error.status, final, traceback.format_exc())
            return pickle.dumps(told)

    outcomes = {outcome.name: outcome for outcome in in_children(configs, work, jobs=len(configs), verbose=verbose)}
    found: dict[str, GroupMap] = {}
    for config in configs:
        outcome = outcomes[config]
        if outcome.lost:
            raise LrdecayError(f"the process that built it was lost: {outcome.reason}", where=config)
        # Written by our own child, a moment ago: no pickle of anybody else's is ever read.
        answer = pickle.loads(outcome.answer)
        if isinstance(answer, tuple):
            problem, where, remedy, status, final, raised = answer
            raise LrdecayError(problem, where=where, remedy=remedy, status=status, final=final) from BuildTraceback(
                f"\n{raised}"
            )
        found[config] = answer
    return found
