"""Run the tasks of the Python API in another process, so that a config cannot change the calling program.

By default, a task runs in a new process, which works like the command ``lrdecay`` and shares its cache. If the program
has registered its own classes, a new process would lack these classes. Then the task runs in a forked copy of the
program, and nothing is cached.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult
from lrdecay_cli.domain.overrides import TypedOverride
from lrdecay_cli.domain.report import Report
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.openmmlab.own_registrations import has_own_registrations
from lrdecay_cli.processes.outcomes import Failure

Document = TypeVar("Document", bound=msgspec.Struct)


Positive = Annotated[int, msgspec.Meta(ge=1)]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A call of the Python API that is executed in another process."""

    kind: Literal["map", "schedule", "suggest", "dry-run"]
    source: str
    """Path of a config, or of a checkpoint if ``kind`` is ``map``."""
    options: tuple[str, ...] = ()
    """Overrides as ``key=text``, like ``--cfg-options``."""
    typed: tuple[tuple[str, str], ...] = ()
    """For each :class:`TypedOverride`: the config key, and the value as a Python literal."""
    device: str = "cpu"
    gpus: Positive | None = None
    batch_size: Positive | None = None
    auto_scale_lr: bool = False
    cache: bool = True
    named_by: str | None = None
    """The config or exported map with the parameter names of a checkpoint."""
    iters_per_epoch: Positive | None = None
    dataset_size: Positive | None = None
    every: Positive | None = None
    resume: str | None = None
    steps: Positive = 3
    fail_on: str = "error"

    @classmethod
    def of(cls, **fields: Any) -> Task:
        """Return the task with these fields.

        Raises:
            LrdecayError: the type of a field is wrong, or a number is below 1.
        """
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            problem, _, place = str(error).replace("null", "None").partition(" - at `$.")
            raise LrdecayError(f"{problem[:1].lower()}{problem[1:]}", where=place.rstrip("`")) from error

    def overrides(self) -> tuple[str, ...]:
        """Return all overrides: first ``key=text``, then each :class:`TypedOverride`."""
        return (*self.options, *(TypedOverride(key, ast.literal_eval(value)) for key, value in self.typed))

    def request(self, overrides: tuple[str, ...]) -> Request:
        """Return the build request with the options of this task and these overrides."""
        return Request.of(
            overrides,
            self.device,
            verbose=False,
            exact=False,
            no_cache=not self.cache,
            named_by=self.named_by,
            launch=Launch(self.gpus, self.batch_size, self.auto_scale_lr),
        )


class Reply(msgspec.Struct, Generic[Document]):
    """The result of a task, which the other process returns: a document or a failure."""

    document: Document | None = None
    report: Report | None = None
    result: CheckResult | None = None
    """The findings of a dry run."""
    failure: Failure | None = None


Kind = TypeVar("Kind", bound=msgspec.Struct)


def answer(task: Task, overrides: tuple[str, ...], kind: type[Kind]) -> Reply[Kind]:
    """Execute a task in another process, and return its result.

    Args:
        task: the task. Its fields ``options`` and ``typed`` are set from ``overrides``.
        overrides: the overrides of the config.
        kind: the type of the document in the result, such as :class:`GroupMap`.

    Raises:
        LrdecayError: the task raised this error, or the process ended without a result.
    """
    plain = tuple(each for each in overrides if not isinstance(each, TypedOverride))
    values = {each.key: each.value for each in overrides if isinstance(each, TypedOverride)}
    typed = tuple((key, repr(value)) for key, value in values.items())
    fresh = not has_own_registrations() and all(_is_literal(value) for value in values.values())
    task = msgspec.structs.replace(task, options=plain, typed=typed, cache=task.cache and fresh)
    raw = _in_fresh_process(task) if fresh else _in_copy(task, overrides)
    reply: Reply[Kind] = _decoded(raw, kind, task.source)
    if reply.failure is not None:
        raise reply.failure.error()
    return reply


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, RecursionError):
        return False


# The parent's own search path, so that the same modules are found, and the cache has the same key.
_START = "import sys, json; sys.path[:] = json.loads(sys.argv[2]); from lrdecay_cli.api.worker import main; main()"


def _in_fresh_process(task: Task) -> bytes:
    # As multiprocessing starts its own: with this interpreter's flags.
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    command = [sys.executable, *flags, "-c", _START, msgspec.json.encode(task).decode(), json.dumps(sys.path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if not done.stdout:
        last_line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        reason = f"exit code {done.returncode}{f' ({last_line})' if last_line else ''}"
        problem = f"the process that builds the config ended with {reason}"
        raise LrdecayError(problem, where=task.source, status="crashed")
    return done.stdout


def _in_copy(task: Task, overrides: tuple[str, ...]) -> bytes:
    from lrdecay_cli.api.worker import perform

    if not hasattr(os, "fork") or task.device not in ("cpu", "meta"):
        # A forked process cannot use a GPU that this one uses.
        return perform(task, overrides)
    from lrdecay_cli.processes.children import in_children

    def work(_: str) -> bytes:
        # Fork does not copy torch's thread pool; waiting for it would never end.
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        return perform(task, overrides)

    (child,) = in_children([task.source], work, jobs=1)
    if child.lost:
        problem = f"the process that builds the config ended without a result: {child.reason}"
        raise LrdecayError(problem, where=task.source, status=child.lost)
    return child.answer


def _decoded(raw: bytes, kind: type[Kind], source: str) -> Reply[Kind]:
    codec = msgspec.json if raw.startswith(b"{") else msgspec.msgpack
    try:
        reply: Reply[Kind] = codec.decode(raw, type=Reply[kind])  # type: ignore[valid-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # A config can write to any open file of its process.
        problem = "the result from the process that builds the config cannot be read"
        raise LrdecayError(problem, where=source, status="crashed") from error
    return reply
