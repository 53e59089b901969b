"""Options that several commands share: blocks of them, and the decorator that gives a command the blocks it names.

Without ``from __future__ import annotations``: the types of a block's fields are read when a command is made of them.
typer reads them on Python 3.10 too, which cannot evaluate every ``X | None``: hence Optional.
"""

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_args

import msgspec
import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.settings import apply_settings, without_settings
from lrdecay_cli.formats import formats_of
from lrdecay_cli.text.counting import either

if TYPE_CHECKING:
    from lrdecay_cli.app.requests.sources import Request
    from lrdecay_cli.app.shell.console import Destinations

_Text = Optional[str]  # noqa: UP045
_Texts = Optional[list[str]]  # noqa: UP045

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Versions, stand-ins and the stack's warnings too.")]


class BuildOptions(msgspec.Struct, frozen=True):
    """How configs are to be built."""

    jobs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--jobs", "-j", metavar="N", min=1, help="Configs at a time. [default: a core each]"),
    ] = None
    named_by: Annotated[
        _Text,
        typer.Option(
            "--config",
            metavar="CONFIG",
            autocompletion=completion.configs,
            help="Config or map that names a checkpoint's parameters.",
        ),
    ] = None
    cfg_options: Annotated[
        _Texts,
        typer.Option("--cfg-options", metavar="KEY=VALUE", help="Override the config, as in mmengine: a=1 b.c=2."),
    ] = None
    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="DEVICE",
            autocompletion=completion.devices,
            help="Where to build: cpu, meta, cuda, cuda:N or mps.",
        ),
    ] = "cpu"
    verbose: Verbose = False
    exact: Annotated[bool, typer.Option("--exact", help="Take no shortcuts: slower, and the same map.")] = False
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Build anew, keep nothing (LRDECAY_NO_CACHE=1).")] = False
    isolate: Annotated[bool, typer.Option("--isolate", help="Confine configs: no network, no writes, limits.")] = False

    @property
    def workers(self) -> int:
        """How many configs are built at a time: ``--jobs``, or one for each core that this process may use."""
        affinity = getattr(os, "sched_getaffinity", None)
        return self.jobs or (len(affinity(0)) if affinity else os.cpu_count()) or 1

    def request(self) -> "Request":
        """What these options ask for."""
        from lrdecay_cli.app.requests.sources import Request

        return Request.of(
            self.cfg_options,
            self.device,
            verbose=self.verbose,
            exact=self.exact,
            no_cache=self.no_cache,
            isolated=self.isolate,
            named_by=self.named_by,
        )


def _format_option(command: str) -> Any:
    """The formats that it offers are those that the command takes."""
    return typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        autocompletion=completion.formats_of(command),
        help=f"{either(formats_of(command))}. [default: rich on a terminal, else text]",
    )


def _output_option(command: str) -> Any:
    return typer.Option(
        "--output",
        "-o",
        metavar="FORMAT=PATH",
        autocompletion=completion.outputs_of(command),
        help="Write a further report to a file; can be repeated.",
    )


class OutputOptions(msgspec.Struct, frozen=True):
    """Where a command's report goes."""

    command: str
    format_name: Annotated[_Text, _format_option] = None
    output: Annotated[_Texts, _output_option] = None
    color: Annotated[
        str,
        typer.Option(
            "--color",
            metavar="WHEN",
            autocompletion=completion.colors,
            help="auto (by NO_COLOR, FORCE_COLOR), always, never.",
        ),
    ] = "auto"

    def destinations(self) -> "Destinations":
        """The formats and places, checked."""
        from lrdecay_cli.app.shell.console import Destinations

        return Destinations(self.command, self.format_name, self.output, self.color)


class _SettingsOptions(msgspec.Struct, frozen=True):
    """What every command with options takes; read before any other."""

    _no_settings: Annotated[
        bool,
        typer.Option(
            "--no-settings",
            is_eager=True,
            callback=without_settings,
            help="Read no settings file; LRDECAY_* still counts.",
        ),
    ] = False
    _settings: Annotated[
        _Text,
        typer.Option(
            "--settings",
            metavar="PATH",
            autocompletion=completion.settings_files,
            is_eager=True,
            callback=apply_settings,
            help="Settings file. [default: the nearest lrdecay.toml or pyproject.toml from here up]",
        ),
    ] = None
    _traceback: Annotated[
        bool, typer.Option("--traceback", help="Show an error's traceback (LRDECAY_TRACEBACK=1).")
    ] = False


# Of --help, for every command.
_ORDER = (
    *("jobs", "named_by", "cfg_options", "device", "format_name", "output", "color"),
    *("verbose", "exact", "no_cache", "isolate", "_no_settings", "_settings", "_traceback"),
)


def expanded(
    *, without: Sequence[str] = (), first: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of the blocks that it takes by keyword, as typer wants them: each by itself.

    A parameter of the command with the name of a block's field takes its place; the block gets its value too.

    Args:
        without: fields that the command does not offer.
        first: fields that its help shows before the others.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        command = function.__name__.replace("_", "-")
        parameters = inspect.signature(function, eval_str=True).parameters
        blocks = {name: each.annotation for name, each in parameters.items() if _is_block(each.annotation)}
        own = {name: each for name, each in parameters.items() if name not in blocks}
        shared = {
            name: each for block in (*blocks.values(), _SettingsOptions) for name, each in _options(block, command)
        }
        options = {**shared, **own}
        # What a command takes by keyword alone stands where the block's option would.
        placed = [name for name, each in own.items() if each.kind is not each.KEYWORD_ONLY]
        order = dict.fromkeys([*placed, *first, *(name for name in _ORDER if name in options and name not in without)])

        def run(**values: Any) -> None:
            arguments = {name: values[name] for name in own}
            for name, block in blocks.items():
                given = {field: values[field] for field in block.__struct_fields__ if field in values}
                arguments[name] = block(**given, command=command) if block is OutputOptions else block(**given)
            function(**arguments)

        run.__name__, run.__doc__ = function.__name__, function.__doc__
        # Evaluated already: typer need not do it again.
        run.__annotations__ = {}
        keyword = inspect.Parameter.KEYWORD_ONLY
        signature = inspect.Signature([options[name].replace(kind=keyword) for name in order])
        run.__signature__ = signature  # type: ignore[attr-defined]
        return run

    return decorate


def _is_block(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _options(block: type[msgspec.Struct], command: str) -> Iterator[tuple[str, inspect.Parameter]]:
    """A parameter of a command for each field that is an option."""
    for field in msgspec.structs.fields(block):
        kind, *declared = get_args(field.type) or (field.type,)
        if declared:
            (option,) = (each(command) if callable(each) else each for each in declared)
            parameter = inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
            yield field.name, parameter.replace(annotation=Annotated[kind, option])
