"""The one exception that a user is meant to read."""

from __future__ import annotations

from collections.abc import Iterable

from lrdecay_cli.text.printing import printable

# Importing typing for its name takes longer than an answer from the cache.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self


class LrdecayError(Exception):
    """Something that keeps lrdecay from judging: exit code 2, one line on stderr.

    Args:
        problem: what is wrong, as a sentence without a full stop.
        where: the file, config key or parameter it is about, empty if the problem says so itself.
        fix: what the user can do, empty if nothing is known to help.
        status: what a table of many configs says in one word: ``no-model``, ``no-optim-wrapper``, ``needs <package>``,
            ``broken upstream`` (a config of an installed package that fails by its own fault), else ``error``.
        final: whether it comes from what the config says, so that no other way of building it would end otherwise.
        key: the config key it is about, as ``paramwise_cfg.custom_keys['norm']``, where ``where`` names a file too.
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
        """The arguments that make this error again."""
        return {name: getattr(self, name) for name in ("problem", "where", "fix", "status", "final", "key")}

    def at(self, where: str) -> Self:
        """The same error, of the same class and with the same cause, at another place."""
        return self.replaced(where=where)

    def replaced(self, **fields: Any) -> Self:
        """The same error, of the same class and with the same cause, with other values for some of its fields."""
        error = type(self)(**{**self.fields(), **fields})
        error.__cause__ = self.__cause__
        return error

    def line(self) -> str:
        """The message as one line: ``where: problem; fix``, control characters as escapes."""
        # ``mmdet::`` ends in colons of its own.
        head = f"{self.where}{'' if self.where.endswith(':') else ':'} {self.problem}" if self.where else self.problem
        text = f"{head}; {self.fix}" if self.fix else head
        return printable(" ".join(text.split()))


class ConstructorRefused(LrdecayError):  # noqa: N818
    """The model builds, and the config's own optimizer wrapper constructor makes no groups of it."""


class Interrupted(LrdecayError):  # noqa: N818
    """The user stopped a command that can go on later: exit code 130."""


def not_one_of(problem: str, word: str, names: Iterable[str], *, where: str) -> LrdecayError:
    """The error for a word that is none of ``names``: with those that it may stand for, and with all that there are."""
    # Errors are imported by every command, and regular expressions take a good part of a fast answer.
    from lrdecay_cli.text.spelling import did_you_mean

    names = list(names)
    fix = " ".join(filter(None, (did_you_mean(word, names), f"one of {', '.join(names)}")))
    return LrdecayError(problem, where=where, fix=fix)
