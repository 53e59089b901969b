"""How a config is to be built, and the outcome, which travels from a child to its parent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from lrdecay_cli.domain.errors import ConstructorRefused, LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.files.writing import not_finite
from lrdecay_cli.text.printing import printable, said_by

if TYPE_CHECKING:
    from lrdecay_cli.processes.children import Outcome


class BuildSpec(msgspec.Struct, frozen=True):
    """Everything about a build but the config."""

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
    """Refuse a map with a number that JSON cannot hold."""
    notes_files: bool = False
    """Note which files the map rests on."""
    folder: str = ""
    """Where relative paths start and modules are found; empty for the working directory."""
    launch: Launch = Launch()
    """On how many GPUs the training is started, and how."""
    scratch: str = ""
    """The one folder that a child may write to, confined before it looks at the config; empty for no bounds."""


class MapCache(Protocol):
    """Group maps that are kept from one command to the next."""

    def kept(self, config: str) -> GroupMap | Failure | None:
        """The map of a config that still holds, or that it is not for training."""

    def begin(self) -> None:
        """Begin to record what maps depend on, before the stack is imported."""

    def loaded(self) -> None:
        """Note that the stack is imported, before this process is forked."""

    def built(self, config: str, build: Callable[[], GroupMap]) -> GroupMap:
        """What ``build`` makes, which is kept."""


class BuildTraceback(Exception):  # noqa: N818
    """Where an error was raised in a child process, as text: tracebacks do not leave their process."""


class Failure(msgspec.Struct, frozen=True):
    """An :class:`LrdecayError` that travels between processes."""

    problem: str
    where: str = ""
    fix: str = ""
    status: str = "error"
    final: bool = False
    key: str = ""
    refused: bool = False
    """Whether it is a :class:`ConstructorRefused`."""
    traceback: str = ""

    @classmethod
    def of(cls, config: str, error: Exception) -> Failure:
        """What was raised while ``config`` was built; anything but an LrdecayError is an internal error."""
        import traceback

        told = "".join(traceback.format_exception(error))
        if not isinstance(error, LrdecayError):
            said = " ".join(f"internal error: {type(error).__name__}: {said_by(error)}".split())
            return cls(said, config, traceback=told)
        fields = {**error.fields(), "final": is_final(error)}
        return cls(**fields, refused=isinstance(error, ConstructorRefused), traceback=told)

    def error(self) -> LrdecayError:
        """The error again; its cause is the traceback that it had in its process."""
        fields = msgspec.structs.asdict(self)
        kind = ConstructorRefused if fields.pop("refused") else LrdecayError
        del fields["traceback"]
        error = kind(**fields)
        if self.traceback:
            # A config may put anything into it.
            lines = "\n".join(map(printable, self.traceback.splitlines()))
            error.__cause__ = BuildTraceback(f"\n{lines}")
        return error


class BuildOutcome(msgspec.Struct, frozen=True):
    """A map, a failure, or a child that was lost."""

    config: str
    group_map: GroupMap | None = None
    failure: Failure | None = None
    lost: str = ""
    """``timeout``, or ``crashed`` for a child that ended without an answer."""
    reason: str = ""
    """Why it was lost: ``killed by SIGSEGV``."""
    seconds: float = 0.0
    files: dict[str, str] = {}
    """Hash by path of every file that the map rests on, where that was asked for: :mod:`.sources`."""
    values: Any = None
    """The config's merged values, where these were asked for."""

    @property
    def status(self) -> str:
        """``ok``, the status of its failure, or how it was lost."""
        if self.group_map is not None:
            return "ok"
        return self.failure.status if self.failure else self.lost

    @property
    def problem(self) -> str:
        """Why there is no map, in one line that does not name the config; empty if there is one."""
        if self.failure is None:
            return self.reason
        return " ".join("; ".join(filter(None, (self.failure.problem, self.failure.fix))).split())

    def encoded(self, *, finite: bool = True) -> bytes:
        """This outcome as bytes, which :func:`outcome_of` reads.

        ``finite`` makes a failure of a map with a number that is NaN or infinite, which JSON, and so a report in it,
        cannot hold; without it, such a map travels as MessagePack.
        """
        odd = next(not_finite(msgspec.to_builtins(self.group_map)), None)
        if odd is None:
            return msgspec.json.encode(self)
        if not finite:
            return msgspec.msgpack.encode(self)
        path, value = odd
        fix = "mend the config that makes it so"
        failure = Failure(f"{path} is {value}, which JSON cannot hold", self.config, fix)
        return msgspec.json.encode(msgspec.structs.replace(self, group_map=None, failure=failure, files={}))


def outcome_of(child: Outcome, *, finite: bool = True) -> BuildOutcome:
    """What became of a config whose child ended so."""
    if child.lost:
        return BuildOutcome(child.name, lost=child.lost, reason=child.reason, seconds=child.seconds)
    # Only the parent's own choice of a form counts.
    codec = msgspec.json if finite or child.answer.startswith(b"{") else msgspec.msgpack
    try:
        outcome: BuildOutcome | None = codec.decode(child.answer, type=BuildOutcome)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        outcome = None
    if outcome is None or outcome.config != child.name or (outcome.group_map is None) is (outcome.failure is None):
        # A config can write to any open file of its process.
        failure = Failure("its answer cannot be read", child.name, status="crashed")
        return BuildOutcome(child.name, failure=failure, seconds=child.seconds)
    return msgspec.structs.replace(outcome, seconds=child.seconds)


def is_final(error: Exception) -> bool:
    """Whether a second attempt without shortcuts would end in the same error."""
    from lrdecay_cli.openmmlab.lazy_imports import lazy_modules

    # No shortcut has a say in what is written in a file, or whether it is there.
    if isinstance(error.__cause__, (SyntaxError, FileNotFoundError)):
        return True
    return bool(getattr(error, "final", False)) and not lazy_modules.any_failed()
