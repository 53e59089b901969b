"""Translate exceptions of torch and OpenMMLab into one line: the problem, its place in the config, and the fix.

If an unchanged config of an installed package fails, the error gets the status ``broken upstream``.
"""

from __future__ import annotations

import importlib.metadata
import linecache
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.origins import option_path
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.files.distributions import distributions_bringing
from lrdecay_cli.files.packages import distributions_of
from lrdecay_cli.openmmlab.config_values import type_name
from lrdecay_cli.openmmlab.failures.missing_packages import (
    Need,
    chain,
    is_own_module,
    needed_package,
    suggest_own_module,
    suggest_submodule,
)
from lrdecay_cli.openmmlab.failures.places import failing_place
from lrdecay_cli.openmmlab.failures.refused_options import unknown_option
from lrdecay_cli.openmmlab.failures.unknown_types import key_of_type, unknown_type
from lrdecay_cli.openmmlab.patching import NotHereError
from lrdecay_cli.text.printing import message_of

LOADING = "config does not load"
BUILDING = "model does not build"
GROUPING = "constructor fails"
READING = "groups cannot be read"
_LAZY = "mmengine.config.lazy"


@contextmanager
def translate_errors(stage: str, where: str, config: Any = None) -> Iterator[None]:
    """Turn any exception in this block into a LrdecayError that names the failed stage and the config.

    Args:
        stage: description of the failure, such as "model does not build".
        where: the config, as the user gave it.
        config: the loaded config, to find the option that causes the error.
    """
    try:
        yield
    except (LrdecayError, KeyboardInterrupt, GeneratorExit):
        raise
    # SystemExit too: a config that calls sys.exit must not end lrdecay with the config's own code.
    except BaseException as error:
        line = _as_line(error, stage, where, config)
        place = failing_place(error, where) if stage == LOADING and line.where == where else None
        raise (line.at(place) if place else line) from error


def _as_line(error: BaseException, stage: str, where: str, config: Any) -> LrdecayError:
    text = _first_line(error)
    if isinstance(error, SyntaxError) or (isinstance(error.__cause__, SyntaxError) and stage == LOADING):
        return _syntax_error(error, where)
    if unknown := re.match(r"(\S+) is not in the (\S+)::(.+?) registry", text):
        return unknown_type(*unknown.groups(), where=where, config=config)
    if isinstance(error, SystemExit):
        return LrdecayError(f"{stage}: its code calls sys.exit({error.code!r})", where=where)
    trace = error.__traceback__
    # The innermost registered type under construction.
    built = _local(trace, "obj_cls", callable, "build_from_cfg")
    if option := unknown_option(error, built, config, where, final=_of_arguments(error)):
        return option
    if built is not None and not isinstance(built, type):
        # A function's registered name may differ from its own name.
        built = _local(trace, "obj_type", lambda kind: isinstance(kind, str) or callable(kind), "build_from_cfg")
    failing = stage
    if built is not None:
        place = type_name(built).rpartition(".")[2]
        key = key_of_type(config, place)
        failing = f"{stage} at {key} ({place})" if key else f"{stage} in {place}"
    if refused := next((cause for cause in chain(error) if isinstance(cause, NotHereError)), None):
        status = f"needs {refused.needs}" if refused.needs else "error"
        return LrdecayError(f"{failing}: {refused}", where=where, fix=refused.fix, status=status)
    need = needed_package(error)
    if isinstance(error, ImportError) and (need is None or need.installed is None):
        return _import_error(error, failing, where, need)
    if need is not None:
        return LrdecayError(f"{failing}: {need.problem}", where=where, fix=need.fix, status=f"needs {need.name}")
    if stage == BUILDING and (asked := _missing_data(error, config)):
        key, path = asked
        problem = f"{failing}: {key}={path!r} does not exist, but building the model reads this file"
        fix = f"run lrdecay in the folder that contains {path!r}, or change {key}"
        return LrdecayError(problem, where=where, fix=fix, status=f"needs {path}", key=key)
    if isinstance(error, OSError) and "huggingface.co" in message_of(error):
        problem = f"{failing}: the model needs files from huggingface.co, and lrdecay downloads nothing"
        return LrdecayError(problem, where=where, status="needs network access")
    if isinstance(error, FileNotFoundError):
        missing = re.search(r'(?<=")[^"]+(?=")|[\w./\\~-]+\.(?:py|json|ya?ml)', text)
        fix = "check _base_" if stage == LOADING else "check the path in the config"
        return LrdecayError(f"missing file {missing.group() if missing else text}", where=where, fix=fix)
    # The config called mmengine's placeholder of an import, which raises an error without a message.
    if stage == LOADING and isinstance(error, RuntimeError) and not error.args and _raised_in(error)[0] == _LAZY:
        problem = "an import makes the config a lazy config, and lazy configs cannot call imported functions"
        fix = (
            "call the function through __import__ in the config, or move the call into a module that the config imports"
        )
        return LrdecayError(f"{failing}: {problem}", where=where, fix=fix)
    problem = f"{failing}: {type(error).__name__}: {text}"
    return LrdecayError(problem, where=where, final=_of_arguments(error))


def _missing_data(error: BaseException, config: Any) -> tuple[str, str] | None:
    """Return the option of the model that names a missing file, and the path of the file.

    Return None if ``error`` is not about a missing file, or if no option contains the path in the error message.
    """
    text = message_of(error)
    if not (
        isinstance(error, FileNotFoundError) or re.search(r"(?:does|do) not exist|not found|[Nn]o such file", text)
    ):
        return None
    # Reading a lazy config imports modules: an error there must not replace the one that is reported.
    with suppress(Exception):
        for option, value in _strings(config["model"], ("model",)):
            if "/" in value and value in text and not Path(value).exists():
                return option, value
    return None


def _strings(value: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield option_path(keys), value
    elif isinstance(value, (Mapping, list, tuple)):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _strings(inner, (*keys, key))


def _of_arguments(error: BaseException) -> bool:
    """True if a class raised TypeError because it does not accept the arguments in the config."""
    return isinstance(error, TypeError) and _raised_in(error) == ("mmengine.registry.build_functions", "build_from_cfg")


def _raised_in(error: BaseException) -> tuple[str, str]:
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return (frames[-1].f_globals.get("__name__", ""), frames[-1].f_code.co_name) if frames else ("", "")


def _first_line(error: BaseException) -> str:
    # str() of a KeyError is the repr of its message.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else message_of(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines and isinstance(error, AssertionError) and error.__traceback__:
        # An assertion without a message: show the asserted expression.
        *_, (frame, number) = walk_tb(error.__traceback__)
        lines = [linecache.getline(frame.f_code.co_filename, number).strip()]
    return lines[0] if lines and lines[0] else "no message"


def _syntax_error(error: BaseException, where: str) -> LrdecayError:
    cause = error if isinstance(error, SyntaxError) and error.lineno else error.__cause__ or error.__context__
    if not isinstance(cause, SyntaxError):
        return LrdecayError(f"Python syntax error: {_first_line(error)}", where=where)
    # mmengine parses the text of a config, so Python does not know the file's name.
    named = cause.filename if _is_file(cause.filename) else None
    file = named or _local(cause.__traceback__, "filename", _is_file) or where
    return LrdecayError(f"Python syntax error: {cause.msg}", where=f"{file}:{cause.lineno}")


def _import_error(error: ImportError, failing: str, where: str, need: Need | None) -> LrdecayError:
    root = error
    while isinstance(root.__cause__ or root.__context__, ImportError):
        root = root.__cause__ or root.__context__  # type: ignore[assignment]
    listed = re.search(r"'imports': (\[[^\]]*\])", str(error))
    source = f"custom_imports {listed.group(1)}" if listed else failing
    if need is None:
        fix = suggest_submodule(root.name) if isinstance(root, ModuleNotFoundError) and root.name else ""
        return LrdecayError(f"{source}: {_first_line(root)}", where=where, fix=fix)
    if listed and is_own_module(need.package, re.findall(r"'([^']*)'", listed.group(1))):
        # custom_imports lists the missing module itself.
        problem, fix, final = _first_line(root), suggest_own_module(need.package, where), True
    elif isinstance(root, ModuleNotFoundError):
        problem, fix, final = (
            _first_line(root),
            f"{need.fix}, or add the folder that contains the package to PYTHONPATH",
            False,
        )
    else:
        problem, fix, final = need.problem, need.fix, False
    return LrdecayError(f"{source}: {problem}", where=where, fix=fix, status=f"needs {need.name}", final=final)


def _local(trace: TracebackType | None, variable: str, fits: Callable[[Any], bool], function: str | None = None) -> Any:
    """Return the value of the local variable named ``variable``; None if ``fits`` accepts no value.

    Stack frames are searched from the innermost to the outermost. The first value that ``fits`` accepts is returned.
    """
    frames = [frame for frame, _ in walk_tb(trace) if function in (None, frame.f_code.co_name)]
    values = [frame.f_locals.get(variable) for frame in frames]
    return next((value for value in reversed(values) if fits(value)), None)


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_file()


_MACHINE = ("out of memory", "can't allocate", "cannot allocate", "too many open files", "no space left")


@contextmanager
def classify_upstream_faults(config: str, cfg_options: Sequence[str], device: str) -> Iterator[None]:
    """Set the status of LrdecayErrors in this block to ``broken upstream`` if an installed package causes them.

    The status does not change if the error already has a status. It also does not change if the cause may be an
    override, the GPU, or a lack of memory or disk space.
    """
    try:
        yield
    except LrdecayError as error:
        cause = error.__cause__
        by_machine = cause is not None and any(sign in message_of(cause).lower() for sign in _MACHINE)
        if isinstance(cause, (MemoryError, OSError)):
            by_machine = not isinstance(cause, FileNotFoundError)
        blameless = cfg_options or device not in ("cpu", "meta") or by_machine
        package = None if error.status != "error" or blameless else _shipping_package(config)
        if package is None:
            raise
        upstream = error.replaced(
            fix=f"report to the authors of {package} that this unchanged config fails", status="broken upstream"
        )
        raise upstream from cause


def _shipping_package(config: str) -> str | None:
    """Return the name and version of the installed package that contains the config; None if no package contains it."""
    with suppress(LrdecayError):
        path = find_config(config).absolute()
        installed = {".mim", "site-packages", "dist-packages"} & {*path.parts}
        for folder in (folder for folder in path.parents if installed and folder.name == "configs"):
            package = folder.parent.parent if folder.parent.name == ".mim" else folder.parent
            # A fork installs the same folder under another distribution name.
            for names_of in (distributions_of, distributions_bringing):
                for name in names_of(package.name):
                    with suppress(importlib.metadata.PackageNotFoundError):
                        return f"{name} {importlib.metadata.version(name)}"
    return None
