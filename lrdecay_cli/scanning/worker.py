"""Worker process: it runs with the packages of another environment, and builds configs for an lrdecay command.

The command and the worker exchange frames over the worker's stdin and stdout. A frame is 8 bytes with the length, then
the data as MessagePack. The command first sends a :class:`Start`, and the worker answers with :class:`Ready` or
:class:`Refused`. Then the command sends lists of :class:`Task`. When a task is done, the worker sends an
:class:`~lrdecay_cli.processes.children.Outcome`.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stderr
from typing import IO, Any

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import SEPARATOR, zoo_folders
from lrdecay_cli.processes.building import audited, build, needed_packages
from lrdecay_cli.processes.children import LONGEST_ANSWER
from lrdecay_cli.processes.outcomes import BuildSpec, Failure
from lrdecay_cli.scanning.targets import configs_of

_LENGTH = 8
_LONGEST = 2 * LONGEST_ANSWER


class Start(msgspec.Struct, frozen=True):
    """The first message to the worker. It contains the configs to build, and the options for building."""

    targets: tuple[str, ...]
    options: BuildSpec
    jobs: int
    isolated: bool


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Message from a worker that can build configs, with the names of the configs in its environment."""

    configs: tuple[str, ...]
    warnings: str = ""
    """Lines to print to the user's stderr."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Message from a worker that cannot build configs, with the reason."""

    failure: Failure


class Setting(msgspec.Struct, frozen=True):
    """An option to set in the loaded config before the model is built."""

    path: tuple[str | int, ...]
    """Keys of dicts and indices of lists that lead to the option."""
    value: Any
    absent: bool = False
    """True to remove the option instead of setting it."""


class Task(msgspec.Struct, frozen=True):
    """A config to build, with options to set."""

    name: str
    """Name of the task, unique in its list of tasks."""
    config: str
    settings: tuple[Setting, ...] = ()


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Write one frame: the length of ``data``, then ``data``."""
    stream.write(len(data).to_bytes(_LENGTH, "little") + data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Read the next frame (a length, then data) and return its data; None if the stream ends too early."""
    head = stream.read(_LENGTH)
    length = int.from_bytes(head, "little")
    # Data that is not a frame may start with any length.
    data = stream.read(length) if len(head) == _LENGTH and length <= _LONGEST else b""
    return data if data and len(data) == length else None


def main() -> None:
    """Run the worker: read messages from stdin and reply on stdout, until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    # Other output must not mix with the answers.
    os.dup2(2, 1)
    first = read_frame(sys.stdin.buffer)
    if first is None:
        return
    start = msgspec.msgpack.decode(first, type=Start)
    try:
        configs = _configs(start.targets)
        _serve(start, configs, answers)
    except LrdecayError as error:
        write_frame(answers, msgspec.msgpack.encode(Refused(Failure.of("", error))))


def _configs(targets: Sequence[str]) -> tuple[str, ...]:
    """Return the configs that ``targets`` name in this environment, sorted.

    Raises LrdecayError if a needed package is missing, or if an installed package has no zoo.
    """
    from lrdecay_cli.openmmlab.availability import check_stack

    try:
        check_stack("")
        for target in targets:
            if SEPARATOR in target:
                zoo_folders(target.partition(SEPARATOR)[0], given=target)
    except LrdecayError as error:
        # Installing it where lrdecay runs would not help.
        raise error.replaced(fix="name an environment that contains the package") from error
    found = (config for target in targets for config in _configs_of(target))
    return tuple(sorted(dict.fromkeys(found)))


def _configs_of(target: str) -> list[str]:
    try:
        return configs_of([target])
    except LrdecayError:
        if SEPARATOR not in target:
            raise
        return []


def _serve(start: Start, configs: tuple[str, ...], answers: IO[bytes]) -> None:
    from lrdecay_cli.openmmlab.preloading import preload_stack
    from lrdecay_cli.processes.build_many import isolation
    from lrdecay_cli.processes.children import in_children

    preload_stack(needed_packages(configs))
    with redirect_stderr(io.StringIO()) as warnings:
        bounds = isolation(start.options) if start.isolated else nullcontext(start.options)
        options = bounds.__enter__()
    try:
        write_frame(answers, msgspec.msgpack.encode(Ready(configs, warnings.getvalue())))
        while (frame := read_frame(sys.stdin.buffer)) is not None:
            tasks = {task.name: task for task in msgspec.msgpack.decode(frame, type=list[Task])}
            limits: dict[str, Any] = {"timeout": options.timeout, "memory": options.memory, "verbose": options.verbose}

            def work(name: str, tasks: dict[str, Task] = tasks) -> bytes:
                return _built(tasks[name], options)

            for outcome in in_children([*tasks], work, jobs=start.jobs, **limits):
                write_frame(answers, msgspec.msgpack.encode(outcome))
    finally:
        bounds.__exit__(None, None, None)


def _built(task: Task, options: BuildSpec) -> bytes:
    """Build a task's config with the task's settings, and return the encoded outcome.

    The outcome contains the name of the task and the values of the merged config.
    """
    values: list[Any] = []

    def change(config: Any) -> None:
        from lrdecay_cli.openmmlab.config_file import resolved_values, set_options

        set_options(config, [(each.path, each.value, each.absent) for each in task.settings])
        values.append(resolved_values(config))

    by: Callable[[], Any] = lambda: audited(task.config, options, change)  # noqa: E731
    outcome = build(task.config, options, by)
    kept = msgspec.structs.replace(outcome, config=task.name, values=values[0] if values else None)
    return kept.encoded(finite=options.finite)
