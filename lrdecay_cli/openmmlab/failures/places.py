"""Find the line of a config or of its base that causes an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.origins import Place
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.origins import config_origins, known_origins

_READERS = ("_file2dict", "_parse_lazy_import")


def failing_place(error: BaseException, config: str) -> str | None:
    """Return ``file:line`` of the config code that causes an error; None if it is unknown.

    Args:
        error: raised by mmengine's ``Config.fromfile``.
        config: path as the user gave it.
    """
    shown: dict[Path, str] = {}
    place = None
    try:
        shown[find_config(config).resolve()] = config
        origins = config_origins(config)
        shown.update({path.resolve(): name for name, path in origins.files.items()})
        imports = origins.at("custom_imports.imports") if isinstance(error, ImportError) else None
        place = str(imports.origin.place) if imports else None
    except LrdecayError as text_error:
        # Some faults, such as two bases that set one name, have a line only in the error of lrdecay's reader.
        place = text_error.where if text_error.where.rpartition(":")[2].isdigit() else None
    if ran := _line_of_config(error):
        file, line = ran
        return f"{shown.get(file.resolve(), _from_here(file))}:{line}"
    return place


def _line_of_config(error: BaseException) -> tuple[Path, int] | None:
    """Return file and line of the config code in which the error was raised; None if no config code was running."""
    found, reader = None, ""
    for frame, line in walk_tb(error.__traceback__):
        if reader in _READERS and frame.f_code.co_name == "<module>":
            found = Path(frame.f_code.co_filename), line
        reader = frame.f_code.co_name
    return found


def _from_here(file: Path) -> str:
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


@contextmanager
def add_places(config: str, cfg_options: Sequence[str]) -> Iterator[None]:
    """Inside this block, add the file and line of the option to a LrdecayError, for example ``config.py:5``."""
    try:
        yield
    except LrdecayError as error:
        place = _place_of_key(error.key, config, cfg_options) if error.key else None
        if place is None or not error.where.startswith(config):
            raise
        key = error.where.removeprefix(config)
        # The config that the user named comes first, then the base that sets the option.
        where = f"{place}{key}" if place.file == config else f"{config}{key} (set at {place})"
        raise error.at(where) from error.__cause__


def _place_of_key(key: str, config: str, cfg_options: Sequence[str]) -> Place | None:
    origins = known_origins(config, cfg_options)
    option = next(filter(None, (origins.at(path) for path in (key, f"optim_wrapper.{key}"))), None) if origins else None
    if option is None:
        return None
    whole = option.origin.value == {} or isinstance(option.origin.value, (dict, list))
    return option.origin.key if whole and option.origin.key else option.origin.place
