"""Shorten the errors of the Python API: one line, without tracebacks inside lrdecay."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lrdecay_cli.domain.errors import InternalError, LrdecayError

_Arguments = ParamSpec("_Arguments")
_Returned = TypeVar("_Returned")


def short_errors(function: Callable[_Arguments, _Returned]) -> Callable[_Arguments, _Returned]:
    """Return ``function`` with shorter tracebacks: an LrdecayError shows the caller's line but no lines of lrdecay.

    ``LRDECAY_TRACEBACK=1`` keeps the full traceback. An internal error always keeps it. An error about an option of the
    command, such as ``--fail-on``, names the argument instead: ``fail_on``.
    """

    @functools.wraps(function)
    def call(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Returned:
        # pytest leaves this frame out of the traceback.
        __tracebackhide__ = True
        try:
            return function(*arguments, **named)
        except LrdecayError as error:
            if os.environ.get("LRDECAY_TRACEBACK", "0") not in ("", "0") or isinstance(error, InternalError):
                raise
            short = error
            if error.where.startswith("--"):
                short = error.at(error.where.removeprefix("--").replace("-", "_"))
        raise short.with_traceback(None) from None

    return call
