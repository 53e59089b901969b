"""The exception with a message for the user."""

from __future__ import annotations

from collections.abc import Iterable

from lrdecay_cli.text.printing import printable

# Importing typing just for this name takes longer than using a cached result.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self


class LrdecayError(Exception):
    """An error that prevents a result: exit code 2, one line on stderr.

    Args:
        problem: what is wrong, as a sentence without a full stop.
        where: the file, config key or parameter with the problem; empty if ``problem`` names it.
        fix: what the user can do; empty if no fix is known.
        status: the error in one word, for a table of many configs: ``no-model``, ``no-optim-wrapper``,
            ``needs <package>``, ``broken upstream`` (an installed package's config that fails by its own fault), else
            ``error``.
        final: the config itself causes it; retrying on the slow path cannot help.
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
        """Return the arguments to create this error again."""
        return {name: getattr(self, name) for name in ("problem", "where", "fix", "status", "final", "key")}

    def at(self, where: str) -> Self:
        """Return a copy of the error, with the same class and cause, at another place."""
        return self.replaced(where=where)

    def replaced(self, **fields: Any) -> Self:
        """Return a copy of the error, with the same class and cause, and other values for some fields."""
        error = type(self)(**{**self.fields(), **fields})
        error.__cause__ = self.__cause__
        return error

    def line(self) -> str:
        """Return the message as one line: ``where: problem; fix``, control characters as escapes."""
        # ``mmdet::`` already ends in colons.
        head = f"{self.where}{'' if self.where.endswith(':') else ':'} {self.problem}" if self.where else self.problem
        text = f"{head}; {self.fix}" if self.fix else head
        return printable(" ".join(text.split()))


class ConstructorRefused(LrdecayError):  # noqa: N818
    """The model builds, but the config's own optimizer wrapper constructor raises."""


class InternalError(LrdecayError):
    """A fault in a build, of lrdecay itself or of code in a config. The user gets the traceback."""


class Interrupted(LrdecayError):  # noqa: N818
    """The user stopped a command that can be continued later: exit code 130."""


def not_one_of(problem: str, word: str, names: Iterable[str], *, where: str) -> LrdecayError:
    """Return the error for a word that is not one of ``names``: suggests similar names and lists all of them."""
    # Imported late: every command imports this module, and regular expressions slow down a cached result.
    from lrdecay_cli.text.spelling import did_you_mean

    names = list(names)
    fix = " ".join(filter(None, (did_you_mean(word, names), f"one of {', '.join(names)}")))
    return LrdecayError(problem, where=where, fix=fix)
