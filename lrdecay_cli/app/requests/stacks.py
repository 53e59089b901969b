"""Run ``diff --stacks``: build configs in environments or read scans and maps, and compare the groups of both sides."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from lrdecay_cli.app.requests.sources import MEMORY, TIMEOUT, Request
from lrdecay_cli.app.shell.console import progress
from lrdecay_cli.domain.change import Aspect
from lrdecay_cli.domain.errors import Interrupted, LrdecayError
from lrdecay_cli.domain.scan import NOT_FOR_TRAINING, OK
from lrdecay_cli.domain.stack_difference import StackDifference
from lrdecay_cli.files.temporary import temporary_folder
from lrdecay_cli.processes.outcomes import BuildOutcome
from lrdecay_cli.scanning.environments import Environment, python_of, suggest_environment
from lrdecay_cli.scanning.sides import Built, Mapped, Recorded, Side
from lrdecay_cli.scanning.stacks import Build, compare_stacks
from lrdecay_cli.scanning.worker import Start, Task


def stack_difference(
    places: tuple[str, str],
    targets: Sequence[str],
    request: Request,
    *,
    jobs: int,
    rtol: float = 0.0,
    only: frozenset[Aspect] | None = None,
) -> StackDifference:
    """Compare the groups of every config in two environments.

    Args:
        places: the two inputs to compare. Each is the folder or the Python executable of an environment, the JSON file
            of a scan, or the folder with the maps of a scan.
        targets: configs, folders or zoos to build in each environment; none if both inputs are scans.
        request: options for building configs.
        jobs: number of configs to build in parallel.
        rtol: relative tolerance for lr, lr scale and weight decay.
        only: aspects to compare; None for all.

    Raises:
        LrdecayError: a path in ``places`` is no environment and no scan, an environment cannot build configs, or there
            is nothing to compare.
        Interrupted: the user pressed Ctrl-C.
    """
    pythons = [None if place.endswith(".json") else python_of(place) for place in places]
    if any(pythons) and not targets:
        raise LrdecayError(
            "there are no configs to build",
            where="--stacks",
            fix="give configs, for example the folder configs/ or a zoo (mmdet::)",
        )
    if targets and not any(pythons):
        problem = "--stacks names no environment that could build configs"
        raise LrdecayError(problem, where=targets[0], fix=suggest_environment(places[0]))
    if any(pythons) and not hasattr(os, "fork"):
        fix = "compare two scans, or the folders with their maps"
        raise LrdecayError(f"building in an environment needs fork, which {sys.platform} lacks", fix=fix)
    # Fail before anything is built.
    read = [None if python else _read(place) for place, python in zip(places, pythons, strict=True)]
    options = msgspec.structs.replace(request.build_spec(), timeout=TIMEOUT, memory=MEMORY, finite=False)
    start = Start(tuple(targets), options, jobs, request.isolated)
    with ExitStack() as stack:
        try:
            sides: list[Side] = []
            build: Build | None = None
            for index, (place, python) in enumerate(zip(places, pythons, strict=True)):
                if python is None:
                    sides.append(read[index])  # type: ignore[arg-type]
                    continue
                folder = stack.enter_context(temporary_folder())
                with ExitStack() as here:
                    environment = here.enter_context(Environment(place, python, start))
                    sides.append(_built(environment, Path(folder)))
                    if index:
                        # The second environment tests the causes.
                        stack.enter_context(here.pop_all())
                        build = _shown(environment.build, "testing causes")
            before, after = sides
            if not ({*before.configs()} | {*after.configs()}):
                raise LrdecayError("no config found", where=" ".join(targets) or places[0], fix="check the path")
            return compare_stacks(before, after, build, rtol=rtol, only=only)
        except KeyboardInterrupt as error:
            fix = "compare two scans, which can be resumed: lrdecay scan --maps DIR --resume FILE"
            raise Interrupted("interrupted", fix=fix) from error


def _read(place: str) -> Side:
    if place.endswith(".json"):
        return Recorded(place)
    maps = Mapped(place) if Path(place).is_dir() else None
    if maps is None or not maps.configs():
        problem = "this path is no environment, no scan and no folder of maps"
        raise LrdecayError(problem, where=place, fix=suggest_environment(place))
    return maps


def _built(environment: Environment, folder: Path) -> Built:
    side = Built(environment.place, folder)
    tasks = [Task(config, config) for config in environment.ready.configs]
    for outcome in _shown(environment.build, f"scanning in {environment.place}")(tasks):
        side.add(outcome)
    return side


def _shown(build: Build, label: str) -> Build:
    """Return a function that calls ``build`` and shows a progress bar."""

    def shown(tasks: Sequence[Task]) -> Iterator[BuildOutcome]:
        with progress(len(tasks), label) as advance:
            for outcome in build(tasks):
                advance(outcome.status not in (OK, *NOT_FOR_TRAINING))
                yield outcome

    return shown
