"""What the stack raises, as one line: what is wrong, where in the config, and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.printing import said_by
from lrdecay_cli.openmmlab.constructor_names import REGISTRIES, meant_constructor
from lrdecay_cli.openmmlab.missing_modules import is_own, own_remedy, submodule_remedy
from lrdecay_cli.openmmlab.needed_packages import Need, chain, needed_package
from lrdecay_cli.openmmlab.plain_values import type_name
from lrdecay_cli.openmmlab.refusals import NotHereError

LOADING = "config does not load"
BUILDING = "model does not build"
GROUPING = "constructor fails"
READING = "groups cannot be read"


@contextmanager
def explained(stage: str, where: str, config: Any = None) -> Iterator[None]:
    """Turn whatever is raised in here into a LrdecayError that names the stage and the place.

    Args:
        stage: LOADING, BUILDING, GROUPING or READING.
        where: the config, as the user gave it.
        config: the loaded config, to find the key that names a type which failed.
    """
    try:
        yield
    except LrdecayError:
        raise
    except (KeyboardInterrupt, GeneratorExit):
        raise
    # SystemExit too: a config that calls sys.exit must not end lrdecay with the config's own code.
    except BaseException as error:
        raise _as_line(error, stage, where, config) from error


def _as_line(error: BaseException, stage: str, where: str, config: Any) -> LrdecayError:
    text = _first_line(error)
    if isinstance(error, SyntaxError) or (isinstance(error.__cause__, SyntaxError) and stage == LOADING):
        return _syntax_error(error, where)
    if unknown := re.match(r"(\S+) is not in the (\S+)::(.+?) registry", text):
        return unknown_type(*unknown.groups(), where=where, config=config)
    if isinstance(error, SystemExit):
        return LrdecayError(f"{stage}: it calls sys.exit({error.code!r})", where=where)
    failing = f"{stage}{_subject(error, config)}"
    if refused := next((one for one in chain(error) if isinstance(one, NotHereError)), None):
        status = f"needs {refused.needs}" if refused.needs else "error"
        return LrdecayError(f"{failing}: {refused}", where=where, remedy=refused.remedy, status=status)
    need = needed_package(error)
    if isinstance(error, ImportError) and (need is None or need.installed is None):
        return _import_error(error, failing, where, need)
    if need is not None:
        return LrdecayError(f"{failing}: {need.problem}", where=where, remedy=need.remedy, status=f"needs {need.name}")
    if isinstance(error, FileNotFoundError):
        missing = re.search(r'(?<=")[^"]+(?=")|[\w./\\~-]+\.(?:py|json|ya?ml)', text)
        remedy = "check _base_" if stage == LOADING else "check the path in the config"
        return LrdecayError(f"missing file {missing.group() if missing else text}", where=where, remedy=remedy)
    if stage == LOADING and _called_what_is_lazy(error):
        problem = "an import makes it a lazy config, in which nothing that is imported can be called"
        return LrdecayError(f"{failing}: {problem}", where=where, remedy="call it by __import__, or in a module")
    return LrdecayError(f"{failing}: {type(error).__name__}: {text}", where=where)


def _called_what_is_lazy(error: BaseException) -> bool:
    """Whether mmengine's placeholder of something imported was called: it raises an error without a word."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised_in = None if trace is None else trace.tb_frame.f_globals.get("__name__")
    return isinstance(error, RuntimeError) and not error.args and raised_in == "mmengine.config.lazy"


def _subject(error: BaseException, config: Any) -> str:
    """Where in the config the type is that was being built; empty if none was."""
    place = _failing_type(error.__traceback__)
    key = _key_of_type(config, place) if place else ""
    return f" at {key} ({place})" if key else f" in {place}" if place else ""


def _first_line(error: BaseException) -> str:
    # str() of a KeyError is the repr of its message.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else said_by(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no message"


def _syntax_error(error: BaseException, where: str) -> LrdecayError:
    cause = error if isinstance(error, SyntaxError) and error.lineno else error.__cause__ or error.__context__
    if not isinstance(cause, SyntaxError):
        return LrdecayError(f"Python syntax error: {_first_line(error)}", where=where)
    # mmengine parses the text of a config, so that Python does not know the file's name.
    named = cause.filename if _is_file(cause.filename) else None
    file = named or _local(cause.__traceback__, "filename", _is_file) or where
    return LrdecayError(f"Python syntax error: {cause.msg}", where=f"{file}:{cause.lineno}")


def unknown_type(name: str, scope: str, registry: str, *, where: str, config: Any) -> LrdecayError:
    """The error for a ``type`` that is not in a registry, with its key in the config and the nearest name."""
    key = _key_of_type(config, name)
    known = _registered(registry)
    bare = name.rpartition(".")[2]
    nearest = difflib.get_close_matches(bare, known, n=1, cutoff=0.6)
    is_constructor = registry in REGISTRIES
    if is_constructor and (meant := meant_constructor(name, scope, known)):
        remedy = meant
    elif bare in known and bare == name:
        remedy = f"{known[bare]} has one: set default_scope={known[bare]!r}, or write {known[bare]}.{bare}"
    elif nearest:
        remedy = f"did you mean {nearest[0]}?"
    else:
        remedy = "is it spelled right, and is its module in custom_imports?"
    place = "optim_wrapper.constructor" if is_constructor else f"{key}.type" if key else ""
    at = f" at {place}" if place else ""
    return LrdecayError(f"unknown {registry} {name!r}{at} (registry scope {scope})", where=where, remedy=remedy)


def _registered(registry: str) -> dict[str, str]:
    """Scope by name of every type in the registries of this kind, of mmengine and of all packages below it."""
    from mmengine.registry import Registry, root

    scopes: dict[str, str] = {}
    for top in [kind for kind in vars(root).values() if isinstance(kind, Registry) and kind.parent is None]:
        kinds = [top, *top.children.values()]
        # A package may call its own by another name.
        for one in kinds if any(kind.name == registry for kind in kinds) else ():
            scopes.update(dict.fromkeys(one.module_dict, one.scope))
    return scopes


def _import_error(error: ImportError, failing: str, where: str, need: Need | None) -> LrdecayError:
    root = error
    while isinstance(root.__cause__ or root.__context__, ImportError):
        root = root.__cause__ or root.__context__  # type: ignore[assignment]
    listed = re.search(r"'imports': (\[[^\]]*\])", str(error))
    source = f"custom_imports {listed.group(1)}" if listed else failing
    if need is None:
        remedy = submodule_remedy(root.name) if isinstance(root, ModuleNotFoundError) and root.name else ""
        return LrdecayError(f"{source}: {_first_line(root)}", where=where, remedy=remedy)
    if listed and is_own(need.package, re.findall(r"'([^']*)'", listed.group(1))):
        problem, remedy = _first_line(root), own_remedy(need.package, where)
    elif isinstance(root, ModuleNotFoundError):
        problem, remedy = _first_line(root), f"{need.remedy}, or put it on PYTHONPATH"
    else:
        problem, remedy = need.problem, need.remedy
    return LrdecayError(f"{source}: {problem}", where=where, remedy=remedy, status=f"needs {need.name}")


def _failing_type(trace: TracebackType | None) -> str:
    """Name of the innermost registered type that was being built when the error was raised."""
    built = _local(trace, "obj_cls", callable, function="build_from_cfg")
    if built is not None and not isinstance(built, type):
        # A function is registered under a name that is not its own.
        built = _local(trace, "obj_type", lambda kind: isinstance(kind, str) or callable(kind), "build_from_cfg")
    return type_name(built).rpartition(".")[2] if built is not None else ""


def _local(trace: TracebackType | None, variable: str, fits: Callable[[Any], bool], function: str | None = None) -> Any:
    """Value of a local variable in the innermost frame of the traceback where it fits, None if it does in none."""
    value = None
    while trace is not None:
        frame = trace.tb_frame
        if function in (None, frame.f_code.co_name) and fits(frame.f_locals.get(variable)):
            value = frame.f_locals[variable]
        trace = trace.tb_next
    return value


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_file()


def _key_of_type(config: Any, name: str) -> str:
    """Dotted path of the first dict below ``config`` whose ``type`` is ``name``; empty if there is none."""
    # A lazy config imports what is looked at: an error in there must not take the place of the one that is told.
    with suppress(Exception):
        return _path_of_type(config, name)
    return ""


def _path_of_type(config: Any, name: str, path: str = "") -> str:
    config = getattr(config, "_cfg_dict", config)
    if isinstance(config, Mapping):
        kind = config.get("type")
        if path and (kind == name or getattr(kind, "__name__", str(kind).rpartition(".")[2]) == name):
            return path
        items = [(f"{path}.{key}" if path else str(key), value) for key, value in config.items()]
    elif isinstance(config, (list, tuple)):
        items = [(f"{path}[{index}]", value) for index, value in enumerate(config)]
    else:
        return ""
    return next((found for key, value in items if (found := _path_of_type(value, name, key))), "")
