"""What a class takes that is named in a config, and the options that it refuses."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.failures.unknown_types import key_of_type
from lrdecay_cli.text.spelling import meant

_REFUSING = re.compile(r"(?P<name>\w+)(?:\.__init__)?\(\)")
_KEYWORD = re.compile(r"unexpected keyword argument '(?P<name>\w+)'")
# mmengine's registry takes them out, or puts the second one in.
_OF_REGISTRY = ("type", "_scope_")
WRAPPER_OPTIONS = ("paramwise_cfg", "constructor", "clip_grad", "accumulative_counts")
"""What may stand in ``optim_wrapper`` beside what its class takes, and what every class of mmengine's takes."""


class Taken(NamedTuple):
    """The arguments of a class."""

    names: frozenset[str]
    all: bool
    """Whether it takes no other: a class that is not mmengine's may do as it likes with ``**kwargs``."""


def taken_by(kind: type) -> Taken:
    """What the class takes, with its bases as long as each passes on the rest."""
    names, known = {*_OF_REGISTRY}, True
    for base in kind.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        try:
            parameters = inspect.signature(vars(base)["__init__"]).parameters
        except (TypeError, ValueError):
            known = False
            break
        names.update(parameters)
        if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
            break
        known &= str(getattr(base, "__module__", "")).startswith("mmengine.")
    return Taken(frozenset(names), known)


def refused_keyword(error: BaseException | None) -> str:
    """The keyword argument that a TypeError is about; empty for any other error."""
    found = _KEYWORD.search(str(error)) if isinstance(error, TypeError) else None
    return found["name"] if found else ""


def unknown_option(error: BaseException, kind: object, config: Any, where: str, *, final: bool) -> LrdecayError | None:
    """The error for options that ``kind``, which was being built, does not take; None if they are not the config's.

    What is inherited from a base goes on to hold for another type: where nothing is spelled alike, that is said.
    ``final`` is that of the error, see :class:`lrdecay_cli.domain.errors.LrdecayError`.
    """
    option = refused_keyword(error)
    if not option or not isinstance(kind, type):
        return None
    key = key_of_type(config, kind.__name__, holding=option)
    if not key and kind.__name__ == "OptimWrapper" and "type" not in (_at(config, "optim_wrapper") or {"type"}):
        # Which mmengine puts in.
        key = "optim_wrapper"
    given = _at(config, key)
    taken = taken_by(kind)
    names = taken.names | ({*WRAPPER_OPTIONS} if key == "optim_wrapper" else set())
    if not isinstance(given, Mapping) or option in names:
        return None
    unknown = [one for one in given if one not in names] if taken.all else [option]
    near = [meant(str(one), sorted(names - {"self", *_OF_REGISTRY}))[:1] for one in unknown]
    listed = ", ".join(f"{key}.{one}" for one in unknown)
    # A class that passes on what it is given wraps another, which is the one that refuses.
    refusing = _REFUSING.match(str(error))
    of = kind.__name__ if taken.all or not refusing else refusing["name"]
    said = "is not an option" if len(unknown) == 1 else "are not options"
    if all(near):
        remedy = f"did you mean {' and '.join(one for (one,) in near)}?"
    else:
        inner = key.rpartition(".")[2]
        it, it_is = ("it", "it is") if len(unknown) == 1 else ("them", "they are")
        anew = f"write {inner}=dict(_delete_=True, type={kind.__name__!r}, ...)"
        remedy = f"leave {it} out; where {it_is} a base's, {anew}"
    return LrdecayError(f"{listed} {said} of {of}", where=where, remedy=remedy, final=final)


def _at(config: Any, key: str) -> Any:
    """What stands at a dotted path, None if nothing does or if it goes through a list."""
    for part in key.split(".") if key else ():
        config = config.get(part) if hasattr(config, "get") else None
    return config if key else None
