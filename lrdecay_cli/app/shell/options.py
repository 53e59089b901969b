"""Blocks of options that several commands share, and the decorator that adds these options to a command.

This module does not use ``from __future__ import annotations``: typer needs the types of the fields when a command is
created. It uses ``Optional``, because Python 3.10 cannot evaluate every ``X | None``.
"""

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_args

import msgspec
import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.settings import apply_settings, without_settings
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.formats import formats_of
from lrdecay_cli.text.counting import either

if TYPE_CHECKING:
    from lrdecay_cli.app.requests.sources import Request
    from lrdecay_cli.app.shell.console import Destinations
    from lrdecay_cli.domain.training import Launch

Text = Optional[str]  # noqa: UP045
Texts = Optional[list[str]]  # noqa: UP045
Whole = Optional[int]  # noqa: UP045


def argument(metavar: str, text: str, complete: Callable[..., Any]) -> Any:
    """Return a typer argument with its help text and its completion function."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=complete)


def option(*words: str, complete: Callable[..., Any] | None = None, at_least: int | None = None, **more: Any) -> Any:
    """Return a typer option. ``words`` are its flags, the name of its value (metavar) and its help text."""
    *flags, metavar, text = words
    return typer.Option(*flags, metavar=metavar, help=text, autocompletion=complete, min=at_least, **more)


# Options of several commands; each command places them in its own --help.
_CONFIG_HELP = "A config (.py, .json, .yaml), or mmdet::PATH for a config of MMDetection's zoo."
TrainingConfig = Annotated[str, argument("CONFIG", _CONFIG_HELP, completion.configs)]
ItersPerEpoch = Annotated[
    Whole, option("--iters-per-epoch", "N", "Iterations per epoch, as the training log shows.", at_least=1)
]
DatasetSize = Annotated[
    Whole,
    option(
        "--dataset-size",
        "N",
        "Number of training samples after filtering, to compute the iterations per epoch.",
        at_least=1,
    ),
]
FailOn = Annotated[
    str,
    option(
        "--fail-on",
        "SEVERITY",
        "Exit with 1 if a finding has this severity or above: error, warning or info.",
        complete=completion.severities,
    ),
]
CfgOptions = Annotated[Texts, option("--cfg-options", "KEY=VALUE", "Override the config, as in mmengine: a=1 b.c=2.")]
Watch = Annotated[bool, typer.Option("--watch", help="Keep running; report again when a file changes.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Also show package versions, the stubs that replace missing packages, and warnings from packages.",
    ),
]


class BuildOptions(msgspec.Struct, frozen=True):
    """Options for building configs."""

    jobs: Annotated[
        Whole,
        option("--jobs", "-j", "N", "Number of configs to build in parallel. [default: one per core]", at_least=1),
    ] = None
    named_by: Annotated[
        Text,
        option(
            "--config",
            "CONFIG",
            "A config or map that contains the parameter names of a checkpoint.",
            complete=completion.configs,
        ),
    ] = None
    cfg_options: CfgOptions = None
    device: Annotated[
        str,
        option(
            "--device", "DEVICE", "Device to build on: cpu, meta, cuda, cuda:N or mps.", complete=completion.devices
        ),
    ] = "cpu"
    gpus: Annotated[Whole, option("--gpus", "N", "Number of GPUs in the training. [default: 1]", at_least=1)] = None
    batch_size: Annotated[
        Whole, option("--batch-size", "N", "Batch size per GPU. [default: the config's]", at_least=1)
    ] = None
    auto_scale_lr: Annotated[
        bool, typer.Option("--auto-scale-lr", help="Switch the config's auto_scale_lr on, as tools/train.py does.")
    ] = False
    verbose: Verbose = False
    exact: Annotated[bool, typer.Option("--exact", help="Build without shortcuts: slower, same result.")] = False
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Neither read nor write the cache, like LRDECAY_NO_CACHE=1.")
    ] = False
    isolate: Annotated[
        bool,
        typer.Option("--isolate", help="Run configs in a sandbox: no network, no writes, limited time and memory."),
    ] = False

    @property
    def workers(self) -> int:
        """Number of configs to build in parallel: ``--jobs``, else the number of cores that this process may use."""
        affinity = getattr(os, "sched_getaffinity", None)
        return self.jobs or (len(affinity(0)) if affinity else os.cpu_count()) or 1

    @property
    def launch(self) -> "Launch":
        """The start of the training: number of GPUs, batch size and ``auto_scale_lr``.

        Raises LrdecayError for numbers that are too large. The number of GPUs is limited because PyTorch lists every
        rank of a process group.
        """
        from lrdecay_cli.domain.training import Launch

        for name, number, most in (("--gpus", self.gpus, 10**6), ("--batch-size", self.batch_size, 10**9)):
            if number is not None and number > most:
                raise LrdecayError("is too large", where=name, fix=f"give at most {most:,}")
        return Launch(self.gpus, self.batch_size, self.auto_scale_lr)

    def request(self) -> "Request":
        """Return the build request with these options."""
        from lrdecay_cli.app.requests.sources import Request

        return Request.of(
            self.cfg_options,
            self.device,
            launch=self.launch,
            verbose=self.verbose,
            exact=self.exact,
            no_cache=self.no_cache,
            isolated=self.isolate,
            named_by=self.named_by,
        )


def _format_option(command: str) -> Any:
    """Return the option ``--format`` of a command. The help text lists the formats that the command supports."""
    text = f"{either(formats_of(command))}. [default: rich on a terminal, else text]"
    return option("--format", "-f", "FORMAT", text, complete=completion.formats_of(command))


def _output_option(command: str) -> Any:
    text = "Also write the report to a file; can be repeated. x.html means html=x.html."
    return option("--output", "-o", "FORMAT=PATH", text, complete=completion.outputs_of(command))


class OutputOptions(msgspec.Struct, frozen=True):
    """Options for the format and destination of a command's report."""

    command: str
    format_name: Annotated[Text, _format_option] = None
    output: Annotated[Texts, _output_option] = None
    color: Annotated[
        str,
        option(
            "--color",
            "WHEN",
            "When to use colors: auto (obeys NO_COLOR and FORCE_COLOR), always or never.",
            complete=completion.colors,
        ),
    ] = "auto"

    def destinations(self) -> "Destinations":
        """Return the formats and paths of the report. Raises LrdecayError if a format or path is invalid."""
        from lrdecay_cli.app.shell.console import Destinations

        return Destinations(self.command, self.format_name, self.output, self.color)


class _SettingsOptions(msgspec.Struct, frozen=True):
    """Options that every command has; ``--settings`` and ``--no-settings`` are processed before all others."""

    _no_settings: Annotated[
        bool,
        typer.Option(
            "--no-settings",
            is_eager=True,
            callback=without_settings,
            help="Ignore settings files; LRDECAY_* variables still apply.",
        ),
    ] = False
    _settings: Annotated[
        Text,
        option(
            *("--settings", "PATH"),
            "Settings file. [default: lrdecay.toml or pyproject.toml, here or in the nearest folder above]",
            complete=completion.settings_files,
            is_eager=True,
            callback=apply_settings,
        ),
    ] = None
    _traceback: Annotated[
        bool, typer.Option("--traceback", help="Show an error's traceback, like LRDECAY_TRACEBACK=1.")
    ] = False


# The order in --help, for every command.
_ORDER = (
    *("jobs", "named_by", "cfg_options", "device", "gpus", "batch_size", "auto_scale_lr"),
    *("format_name", "output", "color"),
    *("verbose", "exact", "no_cache", "isolate", "_no_settings", "_settings", "_traceback"),
)


def expanded(
    *, without: Sequence[str] = (), first: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that turns a command's option blocks into separate typer options.

    An option block is a keyword parameter of a struct type, such as :class:`BuildOptions`. Each field of the struct
    becomes an option. If the command itself has a parameter with the name of a field, this parameter replaces the
    field's option, and its value also goes into the block.

    Args:
        without: fields that the command does not offer as options.
        first: parameters that ``--help`` lists first.
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
        # A keyword-only parameter of the command takes the position of the block's option.
        placed = [name for name, each in own.items() if each.kind is not each.KEYWORD_ONLY]
        order = dict.fromkeys([*placed, *first, *(name for name in _ORDER if name in options and name not in without)])

        def run(**values: Any) -> None:
            arguments = {name: values[name] for name in own}
            for name, block in blocks.items():
                given = {field: values[field] for field in block.__struct_fields__ if field in values}
                arguments[name] = block(**given, command=command) if block is OutputOptions else block(**given)
            function(**arguments)

        run.__name__, run.__doc__ = function.__name__, function.__doc__
        # Already evaluated, so that typer does not do it again.
        run.__annotations__ = {}
        keyword = inspect.Parameter.KEYWORD_ONLY
        signature = inspect.Signature([options[name].replace(kind=keyword) for name in order])
        run.__signature__ = signature  # type: ignore[attr-defined]
        return run

    return decorate


def _is_block(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _options(block: type[msgspec.Struct], command: str) -> Iterator[tuple[str, inspect.Parameter]]:
    """Yield the name of each field that is an option, and a parameter for the signature of the command."""
    for field in msgspec.structs.fields(block):
        kind, *declared = get_args(field.type) or (field.type,)
        if declared:
            (option,) = (each(command) if callable(each) else each for each in declared)
            parameter = inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
            yield field.name, parameter.replace(annotation=Annotated[kind, option])
