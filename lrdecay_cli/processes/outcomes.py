"""Records of a build: its options, and its outcome, which a child sends to its parent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from lrdecay_cli.domain.errors import ConstructorRefused, InternalError, LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.files.writing import not_finite
from lrdecay_cli.text.printing import message_of, printable

if TYPE_CHECKING:
    from lrdecay_cli.processes.children import Outcome


class BuildSpec(msgspec.Struct, frozen=True):
    """Everything about a build except the config."""

    cfg_options: tuple[str, ...] = ()
    device: str = "cpu"
    timeout: float | None = None
    """Seconds; None for no limit."""
    memory: int | None = None
    """Bytes by which a build may grow; None for no limit."""
    verbose: bool = False
    exact: bool = False
    """Initialise the model too."""
    finite: bool = True
    """Refuse a map with a number that JSON cannot contain."""
    notes_files: bool = False
    """Record which files the map depends on."""
    folder: str = ""
    """Base of relative paths and of imports; empty for the working directory."""
    notes_dependencies: bool = False
    """Record the dependencies of the map or the failure, for ``--watch``."""
    launch: Launch = Launch()
    """Number of GPUs and options of the training."""
    scratch: str = ""
    """The only folder that a confined child may write to; empty for no confinement."""


class MapCache(Protocol):
    """Group maps cached between commands."""

    def cached(self, config: str) -> GroupMap | Failure | None:
        """Return a valid cached map, or the failure of a config that is not for training."""

    def begin(self) -> None:
        """Start recording the dependencies of maps, before the stack is imported."""

    def loaded(self) -> None:
        """Mark that the stack is imported, before this process forks."""

    def built(self, config: str, build: Callable[[], GroupMap]) -> GroupMap:
        """Return the result of ``build`` and cache it."""


class BuildTraceback(Exception):  # noqa: N818
    """Traceback of an error in a child process, as text: tracebacks cannot leave their process."""


class Failure(msgspec.Struct, frozen=True):
    """An :class:`LrdecayError` that can be sent between processes."""

    problem: str
    where: str = ""
    fix: str = ""
    status: str = "error"
    final: bool = False
    key: str = ""
    refused: bool = False
    """True for a :class:`ConstructorRefused`."""
    internal: bool = False
    """True for an :class:`InternalError`."""
    traceback: str = ""

    @classmethod
    def of(cls, config: str, error: Exception) -> Failure:
        """Convert an error of building ``config``; anything but an LrdecayError is an internal error."""
        import traceback

        trace = "".join(traceback.format_exception(error))
        if not isinstance(error, LrdecayError):
            message = " ".join(f"internal error: {type(error).__name__}: {message_of(error)}".split())
            return cls(message, config, internal=True, traceback=trace)
        fields = {**error.fields(), "final": is_final(error)}
        return cls(**fields, refused=isinstance(error, ConstructorRefused), traceback=trace)

    def error(self) -> LrdecayError:
        """Return the error; its cause is the traceback in its process."""
        fields = msgspec.structs.asdict(self)
        refused, internal = fields.pop("refused"), fields.pop("internal")
        kind = ConstructorRefused if refused else InternalError if internal else LrdecayError
        del fields["traceback"]
        error = kind(**fields)
        if self.traceback:
            # A config may put any text into it.
            lines = "\n".join(map(printable, self.traceback.splitlines()))
            error.__cause__ = BuildTraceback(f"\n{lines}")
        return error


class Dependencies(msgspec.Struct):
    """Inputs of a result that a user may change: see :mod:`lrdecay_cli.cache.dependencies`."""

    own: dict[str, list[str] | None] = {}
    """Content and real path of files by path; None for a missing file that was looked up."""
    stems: list[str] = []
    """Top-level modules that were looked up."""
    search: dict[str, list[str] | None] = {}
    """By folder of ``sys.path``: its entries named like one of ``stems``."""
    packages: dict[str, tuple[list[str], list[str] | None]] = {}
    """By folder of a package: looked-up modules, and those that exist."""
    listed: dict[str, list[str] | None] = {}
    """By folder that was listed: its entries."""


class BuildOutcome(msgspec.Struct, frozen=True):
    """A map, a failure, or a child that failed."""

    config: str
    group_map: GroupMap | None = None
    failure: Failure | None = None
    lost: str = ""
    """``timeout``, or ``crashed`` for a child that ended without an answer."""
    reason: str = ""
    """Why it failed: ``killed by SIGSEGV``."""
    seconds: float = 0.0
    files: dict[str, str] = {}
    """Hash by path of every file that the map depends on, if requested: :mod:`.sources`."""
    values: Any = None
    """The config's merged values, if requested."""
    dependencies: Dependencies | None = None
    """If requested."""

    @property
    def status(self) -> str:
        """``ok``, the status of its failure, or how the child failed."""
        if self.group_map is not None:
            return "ok"
        return self.failure.status if self.failure else self.lost

    @property
    def problem(self) -> str:
        """Return why there is no map, in one line without the config's name; empty if there is one."""
        if self.failure is None:
            return self.reason
        return " ".join("; ".join(filter(None, (self.failure.problem, self.failure.fix))).split())

    def encoded(self, *, finite: bool = True) -> bytes:
        """Return this outcome as bytes for :func:`outcome_of`.

        ``finite``: a map with a NaN or infinite number, which JSON reports cannot contain, becomes a failure. Without
        it, such a map is sent as MessagePack.
        """
        odd = next(not_finite(msgspec.to_builtins(self.group_map)), None)
        if odd is None:
            return msgspec.json.encode(self)
        if not finite:
            return msgspec.msgpack.encode(self)
        path, value = odd
        fix = "change the config so that it is finite"
        failure = Failure(f"{path} is {value}, which JSON cannot contain", self.config, fix)
        return msgspec.json.encode(msgspec.structs.replace(self, group_map=None, failure=failure, files={}))


def outcome_of(child: Outcome, *, finite: bool = True) -> BuildOutcome:
    """Return the outcome of a config from the result of its child."""
    if child.lost:
        return BuildOutcome(child.name, lost=child.lost, reason=child.reason, seconds=child.seconds)
    # The parent alone chooses the format.
    codec = msgspec.json if finite or child.answer.startswith(b"{") else msgspec.msgpack
    try:
        outcome: BuildOutcome | None = codec.decode(child.answer, type=BuildOutcome)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        outcome = None
    if outcome is None or outcome.config != child.name or (outcome.group_map is None) is (outcome.failure is None):
        # A config can write to any open file of its process.
        failure = Failure("the answer of the process that builds it cannot be read", child.name, status="crashed")
        return BuildOutcome(child.name, failure=failure, seconds=child.seconds)
    return msgspec.structs.replace(outcome, seconds=child.seconds)


def is_final(error: Exception) -> bool:
    """True if a retry on the slow path would fail with the same error."""
    from lrdecay_cli.openmmlab.lazy_imports import lazy_modules

    # The fast path does not affect the content or existence of files.
    if isinstance(error.__cause__, (SyntaxError, FileNotFoundError)):
        return True
    return bool(getattr(error, "final", False)) and not lazy_modules.any_failed()
