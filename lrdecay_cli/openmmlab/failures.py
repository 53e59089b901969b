"""What the stack raises, as one line: what is wrong, where in the config, and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError

LOADING = "config does not load"
BUILDING = "model does not build"
GROUPING = "constructor fails"


@contextmanager
def explained(stage: str, where: str, config: Any = None) -> Iterator[None]:
    """Turn whatever is raised in here into a LrdecayError that names the stage and the place.

    Args:
        stage: LOADING, BUILDING or GROUPING.
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
    if unknown := re.match(r"(\S+) is not in the (\S+)::(\S+) registry", text):
        return _unknown_type(*unknown.groups(), stage=stage, where=where, config=config)
    if isinstance(error, ImportError):
        return _import_error(error, stage, where)
    if isinstance(error, FileNotFoundError):
        missing = re.search(r"[\w./\\~-]+\.(?:py|json|ya?ml)", text)
        return LrdecayError(f"missing file {missing.group() if missing else text}", where=where, remedy="check _base_")
    if isinstance(error, SystemExit):
        return LrdecayError(f"{stage}: it calls sys.exit({error.code!r})", where=where)
    place = _failing_type(error.__traceback__)
    key = _key_of_type(config, place) if place else ""
    subject = f" at {key} ({place})" if key else f" in {place}" if place else ""
    return LrdecayError(f"{stage}{subject}: {type(error).__name__}: {text}", where=where)


def _first_line(error: BaseException) -> str:
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
    else:
        text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no message"


def _syntax_error(error: BaseException, where: str) -> LrdecayError:
    cause = error if isinstance(error, SyntaxError) and error.lineno else error.__cause__
    if isinstance(cause, SyntaxError) and cause.lineno:
        file = where if cause.filename is None or "tmp" in cause.filename else cause.filename
        return LrdecayError(f"Python syntax error: {cause.msg}", where=f"{file}:{cause.lineno}")
    file_in_text = re.search(r"config file (\S+?)[.:]?(?:\s|$)", str(error))
    file = file_in_text.group(1) if file_in_text else where
    line = _line_of_syntax_error(file)
    return LrdecayError("Python syntax error", where=f"{file}:{line}" if line else file, remedy=_first_line(error))


def _line_of_syntax_error(file: str) -> int | None:
    try:
        compile(Path(file).read_bytes(), file, "exec")
    except SyntaxError as error:
        return error.lineno
    except (OSError, ValueError):
        return None
    return None


def _unknown_type(name: str, scope: str, registry: str, *, stage: str, where: str, config: Any) -> LrdecayError:
    from mmengine.registry import root

    key = _key_of_type(config, name)
    known: set[str] = set()
    top = next((r for r in vars(root).values() if getattr(r, "name", None) == registry and r.parent is None), None)
    for found in [top, *top.children.values()] if top is not None else []:
        known.update(found.module_dict)
    nearest = difflib.get_close_matches(name.split(".")[-1], sorted(known), n=1, cutoff=0.6)
    remedy = f"did you mean {nearest[0]}?" if nearest else "is it spelled right, and is its module in custom_imports?"
    at = f" at {key}.type" if key else ""
    return LrdecayError(f"unknown {registry} {name!r}{at} (registry scope {scope})", where=where, remedy=remedy)


def _import_error(error: ImportError, stage: str, where: str) -> LrdecayError:
    root = error
    while isinstance(root.__cause__ or root.__context__, ImportError):
        root = root.__cause__ or root.__context__  # type: ignore[assignment]
    module = (root.name or "").split(".")[0] or None
    listed = re.search(r"'imports': (\[[^\]]*\])", str(error))
    source = f"custom_imports {listed.group(1)}" if listed else stage
    remedy = f"pip install {module}, or put it on PYTHONPATH" if isinstance(root, ModuleNotFoundError) and module else ""
    return LrdecayError(f"{source}: {_first_line(root)}", where=where, remedy=remedy)


def _failing_type(trace: TracebackType | None) -> str:
    """Name of the innermost registered type that was being built when the error was raised."""
    name = ""
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "build_from_cfg":
            built = trace.tb_frame.f_locals.get("obj_cls")
            name = getattr(built, "__name__", name)
        trace = trace.tb_next
    return name


def _key_of_type(config: Any, name: str, path: str = "") -> str:
    """Dotted path of the first dict below ``config`` whose ``type`` is ``name``; empty if there is none."""
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
    return next((found for key, value in items if (found := _key_of_type(value, name, key))), "")
