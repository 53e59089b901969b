"""Build the report of ``where``: the file, line and column that set each option of a config."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lrdecay_cli import __version__
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.origins import ORIGINS_SCHEMA_VERSION, Option, Origin, Origins
from lrdecay_cli.domain.report import Column, Report, Result, Table
from lrdecay_cli.files.mmcv1 import KEYS as MMCV_KEYS
from lrdecay_cli.origins import ConfigOrigins
from lrdecay_cli.text.counting import count
from lrdecay_cli.text.spelling import did_you_mean

EVERYTHING = "*"
"""The argument of ``where`` that stands for all options."""
_TRAINING = (
    *("optim_wrapper", "param_scheduler", "auto_scale_lr", "train_cfg", "custom_hooks", "custom_imports"),
    *("paramwise_cfg", "constructor", *MMCV_KEYS),
)
"""Top-level keys with options that affect how parameters train, including misplaced keys and keys of MMCV 1."""

_COLUMNS = (
    Column("option", "option", "name", vital=True),
    Column("value", "value", vital=True),
    Column("set_at", "set at", vital=True),
    Column("through", "through"),
    Column("overrides", "overridden values, first to last"),
)


def where(origins: ConfigOrigins, wanted: Sequence[str]) -> Result[Origins]:
    """Return the report of ``where``: which line of which file sets each wanted option.

    Args:
        origins: the origins of a config.
        wanted: paths of options, dicts or lists; ``*`` for all; empty for the options that affect the training.

    Raises:
        LrdecayError: a path is not set (the error has the most similar path), or the config cannot run.
    """
    for place, error in origins.raised:
        raise LrdecayError(f"running the config raises {error}", where=str(place), final=True)
    options = tuple(dict.fromkeys(option for path in wanted or _training(origins) for option in _set(origins, path)))
    unknown = sum(bool(option.origin.unknown) for option in options)
    replacing = sum(bool(option.overridden) for option in options)
    report = Report(
        facts=(("config", origins.config),),
        tables=(options_table(options),),
        rows=Table("", _COLUMNS, tuple(map(_row, options))),
        notes=(),
        summary=", ".join(
            filter(
                None,
                (
                    f"{count(len(options), 'option')}",
                    f"{replacing} overriding another value" if replacing else "",
                    f"{count(unknown, 'value')} unknown without running the config" if unknown else "",
                ),
            )
        ),
    )
    return Result(Origins(ORIGINS_SCHEMA_VERSION, Tool("lrdecay", __version__), origins.config, options), report)


def options_table(options: Iterable[Option], title: str = "") -> Table:
    """Return a table with one row for each option: its value, the file and line that set it, and the overridden values.

    If the value comes from variables or an expression, the column ``through`` shows the variables or the expression.
    """
    rows = [*map(_row, options)]
    shown_columns = [place for place, column in enumerate(_COLUMNS) if column.vital or any(row[place] for row in rows)]
    columns = tuple(_COLUMNS[place] for place in shown_columns)
    return Table(title, columns, tuple(tuple(row[place] for place in shown_columns) for row in rows))


def _training(origins: ConfigOrigins) -> Iterable[str]:
    top = [str(key) for key in origins.children(())]
    return [key for key in top if key in _TRAINING] or [EVERYTHING]


def _set(origins: ConfigOrigins, path: str) -> Iterator[Option]:
    if path == EVERYTHING:
        yield from origins.options()
        return
    keys = origins.keys_of(path)
    if keys is None:
        if found := origins.dropped(path):
            old, by = found
            raise LrdecayError(
                f"{path} is not set: {by.origin.key or by.origin.place} replaces {by.option},"
                f" which set it to {old.shown()} ({old.place})",
                where=origins.config,
            )
        fix = did_you_mean(path, origins.paths()) or f"lrdecay where {origins.config} '*' lists all options"
        raise LrdecayError(f"{path} is not set", where=origins.config, fix=fix)
    yield from origins.options(keys)


def _row(option: Option) -> tuple[str, str, str, str, str]:
    origin = option.origin
    names = dict.fromkeys(via.name for via in origin.via)
    through = [*names, *([] if origin.constant or origin.unknown else [f"{origin.text}"])]
    return (
        option.option,
        _value(origin),
        origin.place.exact(),
        ", ".join(through),
        "; ".join(f"{_value(old)} ({old.place})" for old in option.overridden),
    )


def _value(origin: Origin) -> str:
    return f"unknown: {origin.unknown}" if origin.unknown else origin.shown()
