"""The options and the outcome of a build of a config. A child process builds the config and sends the outcome."""

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
    """Options for building a config."""

    cfg_options: tuple[str, ...] = ()
    device: str = "cpu"
    timeout: float | None = None
    """Time limit in seconds; None for no limit."""
    memory: int | None = None
    """Limit in bytes for the memory that a build may add to its process; None for no limit."""
    verbose: bool = False
    exact: bool = False
    """True to build without the shortcuts that save time, and to initialise the weights of the model."""
    finite: bool = True
    """True to treat a map with a NaN or infinite number as a failure, because JSON cannot contain such a number."""
    notes_files: bool = False
    """True to record the hashes of the files on which the map depends, for the journal of a scan."""
    folder: str = ""
    """Folder in which relative paths and imports are searched; empty for the working directory."""
    notes_dependencies: bool = False
    """True to record the dependencies of the map or the failure, for ``--watch``."""
    launch: Launch = Launch()
    """Launch options of the training, such as the number of GPUs."""
    scratch: str = ""
    """The only folder to which a child process in a sandbox may write; empty to build without a sandbox."""


class MapCache(Protocol):
    """Interface of the cache of group maps."""

    def cached(self, config: str) -> GroupMap | Failure | None:
        """Return the cached map if it is still valid, or the cached failure of a config that is not a training config.

        Returns None if nothing valid is cached.
        """

    def begin(self) -> None:
        """Start recording the dependencies of maps. Called before torch and OpenMMLab are imported."""

    def loaded(self) -> None:
        """Record the imported modules. Called after the import of torch and OpenMMLab, before this process forks."""

    def built(self, config: str, build: Callable[[], GroupMap]) -> GroupMap:
        """Call ``build``, cache its result and return it."""


class BuildTraceback(Exception):  # noqa: N818
    """The traceback of an error in a child process, as text, because traceback objects cannot be sent."""


class Failure(msgspec.Struct, frozen=True):
    """An :class:`LrdecayError` in a form that can be sent between processes."""

    problem: str
    where: str = ""
    fix: str = ""
    status: str = "error"
    final: bool = False
    key: str = ""
    refused: bool = False
    """True if the error is a :class:`ConstructorRefused`."""
    internal: bool = False
    """True if the error is an :class:`InternalError`."""
    traceback: str = ""

    @classmethod
    def of(cls, config: str, error: Exception) -> Failure:
        """Return a Failure for an error that occurred when ``config`` was built.

        An error other than LrdecayError is an internal error.
        """
        import traceback

        trace = "".join(traceback.format_exception(error))
        if not isinstance(error, LrdecayError):
            message = " ".join(f"internal error: {type(error).__name__}: {message_of(error)}".split())
            return cls(message, config, internal=True, traceback=trace)
        fields = {**error.fields(), "final": is_final(error)}
        return cls(**fields, refused=isinstance(error, ConstructorRefused), traceback=trace)

    def error(self) -> LrdecayError:
        """Return the error as an exception. Its ``__cause__`` contains the traceback from the child process."""
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
    """The files and folders that affect a result and that a user may change.

    The module :mod:`lrdecay_cli.cache.dependencies` records these dependencies.
    """

    own: dict[str, list[str] | None] = {}
    """For each path of a file: the digest of its content, and its real path. None if the file does not exist."""
    stems: list[str] = []
    """Names of all top-level modules that imports searched for."""
    search: dict[str, list[str] | None] = {}
    """For each folder of ``sys.path``: its files and folders that belong to the modules in ``stems``."""
    packages: dict[str, tuple[list[str], list[str] | None]] = {}
    """For each folder of a package: the modules that imports searched for there, and their existing files."""
    listed: dict[str, list[str] | None] = {}
    """For each folder whose content the config listed: the names of all its files and folders."""


class BuildOutcome(msgspec.Struct, frozen=True):
    """The outcome of building one config: a group map, a failure, or a reason why the child process failed."""

    config: str
    group_map: GroupMap | None = None
    failure: Failure | None = None
    lost: str = ""
    """``timeout`` or ``crashed`` if the child process ended without a result. Otherwise empty."""
    reason: str = ""
    """Why the child process ended without a result, for example ``killed by SIGSEGV``."""
    seconds: float = 0.0
    files: dict[str, str] = {}
    """If requested, the hash of each file on which the map depends, by path; see :mod:`.sources`."""
    values: Any = None
    """If requested, the values of the merged config."""
    dependencies: Dependencies | None = None
    """If requested, the files and folders that affect the outcome."""

    @property
    def status(self) -> str:
        """``ok`` if the config was built. Otherwise the status of the failure, for example ``timeout``."""
        if self.group_map is not None:
            return "ok"
        return self.failure.status if self.failure else self.lost

    @property
    def problem(self) -> str:
        """Return why there is no group map, as one line without the config's name; empty if there is a group map."""
        if self.failure is None:
            return self.reason
        return " ".join("; ".join(filter(None, (self.failure.problem, self.failure.fix))).split())

    def encoded(self, *, finite: bool = True) -> bytes:
        """Return this outcome as bytes, which :func:`outcome_of` decodes.

        With ``finite``, a map with a NaN or infinite number becomes a failure, because JSON reports cannot contain such
        numbers. Without ``finite``, such a map is encoded as MessagePack.
        """
        odd = next(not_finite(msgspec.to_builtins(self.group_map)), None)
        if odd is None:
            return msgspec.json.encode(self)
        if not finite:
            return msgspec.msgpack.encode(self)
        path, value = odd
        fix = "change the config so that the number is finite"
        failure = Failure(f"{path} is {value}, which JSON cannot contain", self.config, fix)
        return msgspec.json.encode(msgspec.structs.replace(self, group_map=None, failure=failure, files={}))


def outcome_of(child: Outcome, *, finite: bool = True) -> BuildOutcome:
    """Return the outcome of a config, decoded from the result of its child process."""
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
        failure = Failure(
            "the result from the process that builds the config cannot be read", child.name, status="crashed"
        )
        return BuildOutcome(child.name, failure=failure, seconds=child.seconds)
    return msgspec.structs.replace(outcome, seconds=child.seconds)


def is_final(error: Exception) -> bool:
    """True if a retry without the shortcuts that save time would fail with the same error."""
    from lrdecay_cli.openmmlab.lazy_imports import lazy_modules

    # The fast path does not affect the content or existence of files.
    if isinstance(error.__cause__, (SyntaxError, FileNotFoundError)):
        return True
    return bool(getattr(error, "final", False)) and not lazy_modules.any_failed()
