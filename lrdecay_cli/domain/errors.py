"""The exceptions whose message is shown to the user."""

from __future__ import annotations

from collections.abc import Iterable

from lrdecay_cli.text.printing import printable

# Importing typing just for this name takes longer than using a cached result.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self


class LrdecayError(Exception):
    """An error that stops a command. The user gets one line on stderr and exit code 2.

    Args:
        problem: what is wrong, as a sentence without a full stop.
        where: the file, config key or parameter with the problem; empty if ``problem`` names it.
        fix: what the user can do; empty if no fix is known.
        status: a short name of the error, for a table of many configs: ``no-model``, ``no-optim-wrapper``, ``needs
            <package>``, ``broken upstream`` (a mistake in a config of an installed package), or ``error``.
        final: True if the config itself causes the error, so that a retry cannot succeed.
        key: the config key with the problem, ``paramwise_cfg.custom_keys['norm']``, if ``where`` names a file.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str = "",
        fix: str = "",
        status: str = "error",
        final: bool = False,
        key: str = "",
    ) -> None:
        self.problem = problem
        self.where = where
        self.fix = fix
        self.status = status
        self.final = final
        self.key = key
        super().__init__(self.line())

    def fields(self) -> dict[str, Any]:
        """Return the values of the error, such as its message, as keyword arguments for the class."""
        return {name: getattr(self, name) for name in ("problem", "where", "fix", "status", "final", "key")}

    def at(self, where: str) -> Self:
        """Return a copy of the error in which ``where`` names another file, key or parameter.

        Class and cause stay the same.
        """
        return self.replaced(where=where)

    def replaced(self, **fields: Any) -> Self:
        """Return a copy of the error, with the same class and cause, in which ``fields`` have new values."""
        error = type(self)(**{**self.fields(), **fields})
        error.__cause__ = self.__cause__
        return error

    def line(self) -> str:
        """Return the message as one line, ``where: problem; fix``. Control characters are escaped."""
        # ``mmdet::`` already ends in colons.
        head = f"{self.where}{'' if self.where.endswith(':') else ':'} {self.problem}" if self.where else self.problem
        text = f"{head}; {self.fix}" if self.fix else head
        return printable(" ".join(text.split()))


class ConstructorRefused(LrdecayError):  # noqa: N818
    """The model builds, but the config's optimizer wrapper constructor raises an exception."""


class InternalError(LrdecayError):
    """An unexpected exception during a build, in lrdecay or in a config's code. The user gets the traceback."""


class Interrupted(LrdecayError):  # noqa: N818
    """The user interrupted a command and can continue it later. The exit code is 130."""


def not_one_of(problem: str, word: str, names: Iterable[str], *, where: str) -> LrdecayError:
    """Return the error for a word that is not in ``names``.

    The error suggests the similar names and lists all names.
    """
    # Imported late: every command imports this module, and regular expressions slow down a cached result.
    from lrdecay_cli.text.spelling import did_you_mean

    names = list(names)
    fix = " ".join(filter(None, (did_you_mean(word, names), f"one of {', '.join(names)}")))
    return LrdecayError(problem, where=where, fix=fix)
